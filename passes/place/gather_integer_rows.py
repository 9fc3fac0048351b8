"""Look embeddings up as integers: gather the rows first, then dequantize them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import attribute_int, constant, is_op, nodes, only_consumer, owner, rank


@dataclass(frozen=True)
class GatherIntegerRows(ir.passes.InPlacePass):
    """Swap a DequantizeLinear of a stored matrix and the Gather of its rows.

    Before:  t = DequantizeLinear <axis = 1> (table, scale, zero_point)
             y = Gather <axis = 0> (t, rows)
    After:   g = Gather <axis = 0> (table, rows)
             y = DequantizeLinear <axis = last> (g, scale, zero_point)

    The table is never expanded to float. The Gather must be the only reader of the dequantized
    table.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if _fits(node)]
        for node in found:
            _swap(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _fits(node: ir.Node) -> bool:
    if not is_op(node, "Gather") or attribute_int(node, "axis", 0) != 0 or rank(node.inputs[1]) is None:
        return False
    table = node.inputs[0]
    producer = table.producer() if table is not None else None
    if table is None or producer is None or not is_op(producer, "DequantizeLinear") or only_consumer(table) is not node:
        return False
    stored = constant(producer.inputs[0])
    return stored is not None and stored.ndim == 2 and attribute_int(producer, "axis", 1) == 1


def _swap(node: ir.Node, names: Names) -> None:
    graph, table, result = owner(node), node.inputs[0], node.outputs[0]
    dequantize = table.producer() if table is not None else None
    assert dequantize is not None and dequantize.inputs[0] is not None
    gathered = ir.Value(
        name=names.value(f"{result.name}_rows"), shape=result.shape, type=ir.TensorType(dequantize.inputs[0].dtype or ir.DataType.INT8)
    )
    lookup = ir.Node("", "Gather", [dequantize.inputs[0], node.inputs[1]], [], outputs=[gathered], name=node.name)
    graph.insert_before(node, lookup)
    last = rank(node.inputs[1]) or 0
    node.op_type, node.name = "DequantizeLinear", names.node(f"{lookup.name}_DequantizeLinear")
    node.attributes.clear()
    node.attributes["axis"] = ir.AttrInt64("axis", last)
    scale, zero = dequantize.inputs[1], dequantize.inputs[2]
    node.resize_inputs(3)
    for index, value in enumerate((gathered, scale, zero)):
        node.replace_input_with(index, value)
    owner(dequantize).remove(dequantize, safe=True)
