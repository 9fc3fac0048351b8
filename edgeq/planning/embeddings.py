"""Embedding tables: a Gather of rows from a constant matrix, stored as int8 per column.

A target that computes in integers only has the codes of the rows in its layers, which have one
scale a tensor: there every constant that is gathered from is stored on the grid of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, nodes
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.planning.placement import NodePlace
from edgeq.planning.remembered import remembered
from edgeq.planning.weight_grids import choose_scales, symmetric_grid, unlimited
from edgeq.schema.grids import GridPlan
from edgeq.schema.target import Target
from edgeq.schema.weights import IntegerWeight, integer_weight

#: smaller tables do not justify a DequantizeLinear
LEAST_ELEMENTS = 4096


def is_embedding(node: ir.Node) -> bool:
    """Whether the node gathers rows (axis 0) of a large constant float matrix."""
    if not is_op(node, "Gather") or attribute_int(node, "axis", 0) != 0:
        return False
    table = constant(node.inputs[0])
    return table is not None and table.dtype == np.float32 and table.ndim == 2 and table.size >= LEAST_ELEMENTS


def table_of(node: ir.Node, target: Target) -> AnyArray | None:
    """The constant that a Gather picks from by computed indices, where the result must be codes."""
    if not (target.integer_only and "Gather" in target.movement.ops and is_op(node, "Gather")):
        return None
    table = constant(node.inputs[0])
    computed = constant(node.inputs[1]) is None
    return table if table is not None and table.dtype == np.float32 and table.size and computed else None


def embeddings(model: ir.Model, target: Target, places: Mapping[str, NodePlace]) -> Iterator[ir.Node]:
    """Embedding lookups to store as integers: the target can, and the recipe does not forbid it."""
    if target.integer_only:
        yield from (n for n in nodes(model) if table_of(n, target) is not None)
    elif "Gather" in target.movement.ops and "per_channel" in target.weights.granularity:
        yield from (n for n in nodes(model) if is_embedding(n) and places[str(n.name)].because != "kept")


def embedding_place(node: ir.Node) -> NodePlace:
    """The place of an embedding lookup: rows are gathered as integers."""
    why = "an embedding table in int8: its rows are gathered as integers"
    return NodePlace(node.op_type, "integer", "embedding", why)


def embedding_grid(node: ir.Node, target: Target, grids: Mapping[str, GridPlan]) -> IntegerWeight:
    """The grid of the table with one scale per column, each of least squared error.

    Where the target computes in integers only: the grid of the rows that are gathered.
    """
    rows_as = grids.get(str(node.outputs[0].name))
    if target.integer_only and rows_as is not None:
        return integer_weight(rows_as.params, "minmax", "the grid of the rows that are gathered")
    codes = unlimited(target.weights)

    def searched() -> F32:
        rows = np.ascontiguousarray(np.asarray(constant(node.inputs[0]), np.float32).T)[None]
        return choose_scales(rows, np.ones(rows[:, 0].shape), codes, "mse", False, ())

    scale = remembered(node.inputs[0], ("table", target.weights), searched)
    return integer_weight(symmetric_grid(scale, 1, target.weights), "mse", "one scale per column of the embedding table (axis 1)")
