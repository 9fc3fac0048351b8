"""Look embeddings up in four bits: gather packed rows, unpack those, and never the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants, take_over
from edgeq.graph.read import attribute_int, constant, is_op, nodes, owner, rank
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.packed_rows import PackedRows, packed_rows
from edgeq.passes.place.unpacked_rows import RowNodes
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class GatherPackedRows(ir.passes.InPlacePass):
    """Replace a dequantized table and the Gather of its rows by a lookup of packed rows.

    Before:  t = DequantizeLinear <axis = 0> (table, scale, zero_point)
             y = Gather <axis = 0> (t, rows)
    After:   g = Gather <axis = 0> (packed, rows)
             low = BitwiseAnd(g, 15)   high = BitShift <direction = "RIGHT"> (g, 4)
             n = Cast <to = FLOAT> (Concat <axis = -1> (low, high))   c = Sub(n, 8)
             s = Gather <axis = 0> (scale, rows)                      y = Mul(c, s)

    A byte holds a number of the left half of the row and one of the right half, so that a Concat
    puts them in order. Below opset 18, Mod takes the place of BitwiseAnd. Where vectors have a
    scale of their own, it is looked up and multiplied likewise. The indices are an input, so no
    runtime folds anything: the packed table is all that is held in memory. The numbers are those of
    the DequantizeLinear, bit by bit.

    Every reader of the table must be such a Gather. A table whose codes do not have the form of its
    format stays.
    """

    #: "node name:0" -> the format of the table that a Gather reads
    formats: Mapping[str, Format]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, opset = Names(model), model.opset_imports.get("", 0)
        made: dict[ir.Value, RowNodes] = {}
        modified = False
        for node in list(nodes(model)):
            form, table = self.formats.get(weight_key(node.name, 0)), node.inputs[0] if node.inputs else None
            if form is None or table is None:
                continue
            if table not in made:
                rows = _rows(table, form)
                if rows is None:
                    continue
                made[table] = RowNodes(rows, owner(node), names, opset, str(table.name))
            _replace(node, made[table])
            modified = True
        for table in made:
            producer = table.producer()
            assert producer is not None
            owner(producer).remove(producer, safe=True)
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def _rows(table: ir.Value, form: Format) -> PackedRows | None:
    """The packed rows of a dequantized table that only Gathers of the same graph read."""
    producer = table.producer()
    if producer is None or not is_op(producer, "DequantizeLinear") or attribute_int(producer, "axis", 1) != 0:
        return None
    codes, scale = constant(producer.inputs[0]), constant(producer.inputs[1])
    readers = [use.node for use in table.uses()]
    if codes is None or scale is None or codes.dtype != np.int8 or codes.ndim != 2 or scale.ndim != 1 or table.is_graph_output():
        return None
    if not all(_looks_up(reader, table) and owner(reader) is owner(producer) for reader in readers):
        return None
    return packed_rows(form, codes.astype(np.float32), np.asarray(scale, np.float32))


def _looks_up(node: ir.Node, table: ir.Value) -> bool:
    alone = is_op(node, "Gather") and attribute_int(node, "axis", 0) == 0 and node.inputs[0] is table and node.inputs[1] is not table
    return alone and rank(node.inputs[1]) is not None


def _replace(node: ir.Node, rows: RowNodes) -> None:
    name = node.name
    result = rows.lookup(node)
    take_over(node.outputs[0], result)
    for index in range(len(node.inputs)):
        node.replace_input_with(index, None)
    owner(node).remove(node, safe=True)
    first = rows.first
    assert first is not None
    first.name = name  # what looks the codes up is what the plan calls the lookup
