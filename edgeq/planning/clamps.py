"""Keep the clamp of a layer's own grid where compilers would fold a wider requantization into it.

The requantization after the layer gets a zero point that differs from the one of the layer's grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx_ir as ir

from edgeq.graph.read import constant, is_op, nodes, operator_of
from edgeq.numerics.grid import grid_for_range
from edgeq.planning.same_scale import Groups
from edgeq.schema.grids import GridPlan, grid_plan


def separate_zero_points(model: ir.Model, groups: Groups, grids: Mapping[str, GridPlan]) -> dict[str, GridPlan]:
    """Lower the grid of a Concat's output by a step where a narrower input has the same zero point.

    Returns all grids. The measured failure: layer -> Q [0, 6] -> Concat with Q [0, 20] of the same
    zero point lets values above 6 through.
    """
    found = dict(grids)
    for node in nodes(model):
        if not is_op(node, "Concat") or groups.nodes[str(node.name)].runs != "int8":
            continue
        output = found.get(str(node.outputs[0].name))
        while output is not None and any(_lost(found, name, output) for name in _clamped(node)):
            params = output.params
            low, high = float(params.low) - 1.5 * float(params.scale), float(params.high)
            wider = grid_for_range(low, high, output.dtype)
            why = f"{output.reason}; one step lower, so that no clamp before it is lost"
            output = grid_plan(wider, output.rule, why, readers=output.readers, group=output.group)
            found[str(node.outputs[0].name)] = output
        if output is not None and output.group is not None:
            for name in groups.members[output.group]:
                found[name] = output.with_readers(found[name].readers, output.group)
    return found


def _clamped(node: ir.Node) -> Iterator[str]:
    """Names of inputs that a layer produces, possibly through an absorbed Relu or Clip."""
    for value in node.inputs:
        maker = value.producer() if value is not None and constant(value) is None else None
        while maker is not None and is_op(maker, "Relu", "Clip") and maker.inputs[0] is not None:
            maker = maker.inputs[0].producer()
        if value is not None and operator_of(maker).layer:
            yield str(value.name)


def _lost(grids: Mapping[str, GridPlan], name: str, output: GridPlan) -> bool:
    grid = grids.get(name)
    return grid is not None and grid.zero_point == output.zero_point and grid.scale < output.scale
