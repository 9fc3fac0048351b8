"""Output grids of means and products whose factors every integer runtime rounds alike.

A grid is changed only where the expected error of its values grows little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.read import constant, dim, is_op, nodes, rank
from edgeq.numerics.grid import LIMITS
from edgeq.planning.exact.factors import around, exact_ladder
from edgeq.planning.exact.rounding import reach_of
from edgeq.planning.ranges.mse import expected_error
from edgeq.planning.same_scale import Groups
from edgeq.planning.weight_grids import constant_grid
from edgeq.schema.grids import GridPlan
from edgeq.schema.target_facts import ActivationFacts

#: the expected squared error of a value may grow by this multiple of itself
EXTRA = 1.0


def exact_grids(
    model: ir.Model, groups: Groups, grids: Mapping[str, GridPlan], statistics: Mapping[str, TensorStats], facts: ActivationFacts
) -> dict[str, GridPlan]:
    """Move the scale of each GlobalAveragePool and Mul to the best neighbour with an exact factor.

    Returns all grids.
    """
    found = dict(grids)
    for node in nodes(model):
        name = str(node.outputs[0].name) if node.outputs else ""
        if node.name not in groups.nodes or groups.nodes[str(node.name)].runs != "int8" or not is_op(node, "GlobalAveragePool", "Mul"):
            continue
        if any(grid is not None and grid.dtype != facts.dtype for grid in map(found.get, _names(node))):
            continue  # a step of 16 bits is too small to matter
        product = _product_of_scales(node, found, facts)
        if product is None or name not in found or name not in statistics or _sources(name, found, groups) != (name,):
            continue
        count = _positions(node.inputs[0]) if is_op(node, "GlobalAveragePool") else 1
        if not count:
            continue
        scale = _best_scale(found[name], product / count, count, statistics[name], facts.symmetric)
        for member in groups.members.get(found[name].group or name, (name,)):
            found[member] = found[member].with_scale(scale)
    return found


def _names(node: ir.Node) -> list[str]:
    return [str(value.name) for value in (*node.inputs, *node.outputs) if value is not None]


def _positions(value: ir.Value | None) -> int | None:
    """The positions that a global pool takes the mean of; None where a size is unknown."""
    sizes = [dim(value, axis) for axis in range(2, rank(value) or 0)]
    known = [size for size in sizes if size is not None]
    return math.prod(known) if sizes and len(known) == len(sizes) else None


def _sources(name: str, grids: Mapping[str, GridPlan], groups: Groups) -> tuple[str, ...]:
    """The values whose ranges decide the grid of this one."""
    return groups.sources.get(grids[name].group or name, ())


def _best_scale(grid: GridPlan, product: float, count: int, stats: TensorStats, symmetric: bool) -> float:
    """The scale with the least expected error among the neighbours with exact factors.

    The grid's own scale if that error is too large (see EXTRA).
    """
    own, zero, (low, high) = grid.scale, grid.zero_point, LIMITS[grid.dtype]

    def error(scale: float) -> float:
        return expected_error(stats, ((low - zero) * scale, (high - zero) * scale), scale, symmetric)

    scales = [float(np.float32(product / rung)) for rung in around(product / own, exact_ladder(reach_of(grid), count))]
    best = min(scales, key=error, default=own)
    return best if error(best) <= (1 + EXTRA) * error(own) else own


def _product_of_scales(node: ir.Node, grids: Mapping[str, GridPlan], facts: ActivationFacts) -> float | None:
    """The product of the input scales; None if an input has none or is a single number.

    Multiplication by a single number only renames codes.
    """
    product = 1.0
    for value in node.inputs:
        array = constant(value)
        if value is None or (array is not None and array.size == 1) or (array is None and value.name not in grids):
            return None
        if array is None:
            product *= grids[str(value.name)].scale
        else:
            product *= float(constant_grid(np.asarray(array, np.float32), facts).scale)
    return product
