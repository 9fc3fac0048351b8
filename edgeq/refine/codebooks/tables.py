"""Embedding tables in number formats of few bits: which take one, and their codes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, rank
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.packed_rows import can_pack
from edgeq.planning.weight_grids import symmetric_grid
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.plan import Plan
from edgeq.schema.target import Target
from edgeq.schema.weight_format import WeightFormats
from edgeq.schema.weights import FormatWeight, integer_weight, split_weight_key

#: of the lookups whose rows are unpacked, for people
LOOKED_UP = "an embedding table in {name}: its rows are gathered packed, then unpacked"


def requested_tables(model: ir.Model, tables: Mapping[str, ir.Node], wish: WeightFormats, target: Target) -> dict[str, Format]:
    """Key of an embedding table -> the number format that the recipe asks for, where it can be.

    Only four-bit formats that are unpacked row by row: all else keeps eight bits. The table may be
    read by lookups of rows alone.
    """
    if target.runtime != "onnxruntime" or target.integer_only:
        return {}
    special = {name: form for pattern, form in wish.layer_formats.items() for name in kept_nodes(model, pattern, "weight_format.layers")}
    found = {key: special.get(str(node.name), wish.format) for key, node in tables.items()}
    return {key: form for key, form in found.items() if form is not None and can_pack(form) and _only_looked_up(tables[key])}


def _only_looked_up(node: ir.Node) -> bool:
    table = node.inputs[0]
    assert table is not None
    readers = [use.node for use in table.uses()]
    plain = all(is_op(reader, "Gather") and attribute_int(reader, "axis", 0) == 0 for reader in readers)
    return plain and not table.is_graph_output() and all(rank(reader.inputs[1]) is not None for reader in readers)


def with_tables(plan: Plan, tables: Mapping[str, ir.Node], forms: Mapping[str, Format], target: Target) -> Plan:
    """The plan with these embedding tables in their formats, every code the nearest."""
    weights, places = dict(plan.weights), dict(plan.nodes)
    for key, form in forms.items():
        weights[key] = _in_format(tables[key], form, target)
        name, _ = split_weight_key(key)
        places[name] = places[name].placed("integer", "embedding", LOOKED_UP.format(name=form.name))
    return plan.with_weights(weights).with_nodes(places)


def _in_format(node: ir.Node, form: Format, target: Target) -> FormatWeight:
    """A table [V, K] whose rows are what a format calls channels."""
    table = np.asarray(constant(node.inputs[0]), np.float32)
    grid = form.codes8(form.fit(table[None], None, table.shape[1:]))
    assert grid is not None
    why = "one scale per row of the embedding table (axis 0)"
    plan = integer_weight(symmetric_grid(grid.scale, 0, target.weights), form.name, why)
    return plan.with_codes(grid.codes[0].astype(np.int8)).in_format(form.name, 0)
