"""Choose the grid of every weight and constant operand in integers, from its own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.find_layer import layer_of
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import quantize
from edgeq.numerics.rounding.codes import Codes
from edgeq.planning.kernel_fit import channel_axis, data_inputs
from edgeq.planning.remembered import remembered
from edgeq.planning.same_scale import Groups
from edgeq.planning.shift_limits import constant_floor, weight_scale_limits
from edgeq.planning.softmax_limits import SoftmaxLimits
from edgeq.planning.values.widths import Read
from edgeq.planning.weight_grids import (
    BiasSide,
    bounded,
    choose_scales,
    code_range,
    codes_of,
    constant_grid,
    free_scales,
    symmetric_grid,
)
from edgeq.schema.grids import GridPlan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts
from edgeq.schema.weights import IntegerWeight, integer_weight, weight_key


def constant_grids(
    model: ir.Model, groups: Groups, read: Read, limits: SoftmaxLimits, target: Target, recipe: Recipe
) -> dict[str, IntegerWeight]:
    """The grids of all constants that nodes in integers read, by weight_key.

    limits: where masks may saturate.
    """
    found: dict[str, IntegerWeight] = {}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is None or groups.nodes[str(node.name)].runs != "int8":
            continue
        grids = read.by(str(node.name))
        for index in data_inputs(node, kernel):
            array = constant(node.inputs[index])
            if array is None:
                continue
            key = weight_key(node.name, index)
            layer = layer_of(node) if index == kernel.weight else None
            if layer is None and index == kernel.weight and target.integer_only:
                found[key] = _plain_weight(node, kernel, side_of(node, kernel, grids), target, recipe)
            elif layer is not None:
                found[key] = weight_grid(node, kernel, layer, grids, target, recipe)
            else:
                params = constant_grid(limits.clipped(node, index, array), target.facts_of(read.bits(str(node.name))))
                floor = np.float32(constant_floor(node, index, kernel, grids))
                params = replace(params, scale=np.maximum(params.scale, floor)) if floor > params.scale else params
                found[key] = integer_weight(params, "minmax", "a constant operand: its own values")
    return found


def weight_grid(
    node: ir.Node, kernel: KernelFacts, layer: Layer, grids: Mapping[str, GridPlan], target: Target, recipe: Recipe
) -> IntegerWeight:
    """The weight's grid from the weight alone.

    It holds codes too if nearest rounding would let a kernel saturate.
    """
    assert kernel.weight is not None
    value, axis, rule = node.inputs[kernel.weight], weight_axis(node, kernel, target, recipe), recipe.weight_rule
    array = np.asarray(constant(value), np.float32)
    rows, codes = layer.weight_rows(array), codes_of(target.weights, layer, recipe.weight_bits)
    form = (layer.groups, layer.kernel, layer.outputs, layer.inputs_first, layer.depthwise, axis, target.weights, recipe.weight_bits, rule)
    free = remembered(value, ("scales", *form), lambda: free_scales(rows, np.ones(rows[:, 0].shape), codes, rule, axis is None))
    scale = bounded(free, rows, codes, axis is None, [side_of(node, kernel, grids)])

    def planned() -> IntegerWeight:
        nearest = codes.fit(np.rint(rows / scale[..., None]))
        return weight_plan(layer, scale, nearest, array, axis, target, rule)

    return remembered(value, ("grid", *form), planned) if np.array_equal(scale, free) else planned()


def _plain_weight(node: ir.Node, kernel: KernelFacts, side: BiasSide, target: Target, recipe: Recipe) -> IntegerWeight:
    """The grid of a weight that has no row form: its own range, zero point 0.

    Such weights are those of a grouped ConvTranspose and stacks of matrices. A scale of the former
    serves one output of every group, and so the largest of their biases limits it.
    """
    assert kernel.weight is not None
    weight = np.asarray(constant(node.inputs[kernel.weight]), np.float32)
    axis = weight_axis(node, kernel, target, recipe)
    rows = weight.reshape(1, -1) if axis is None else np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    if side.bias is not None and side.bias.size > len(rows):
        side = replace(side, bias=np.abs(side.bias).reshape(-1, len(rows)).max(0))
    codes = Codes(*code_range(target.weights, recipe.weight_bits), (), None, target.weights.power_of_two)
    scale = choose_scales(rows[None], np.ones((1, rows.shape[1])), codes, "minmax", False, [side])
    return integer_weight(symmetric_grid(scale, axis, target.weights), "minmax", "a weight: its own range, zero point 0")


def weight_plan(
    layer: Layer,
    scale: F32,
    codes: F32,
    weight: F32,
    axis: int | None,
    target: Target,
    rule: str,
) -> IntegerWeight:
    """The plan of one weight: its grid, and codes [G, C, K] that differ from nearest rounding."""
    params = symmetric_grid(scale, axis, target.weights)
    chosen = layer.from_rows(codes).astype(target.weights.dtype)
    differs = not np.array_equal(chosen, quantize(weight, params))
    where = "one scale per tensor" if axis is None else f"one scale per channel (axis {axis})"
    plan = integer_weight(params, rule, where)
    return plan.with_codes(chosen) if differs else plan


def weight_axis(node: ir.Node, kernel: KernelFacts, target: Target, recipe: Recipe) -> int | None:
    """The axis of per-channel scales that target, kernel and recipe allow, or None."""
    wanted = recipe.weights == "per_channel" and "per_channel" in target.weights.granularity
    return channel_axis(node, kernel) if wanted else None


def side_of(node: ir.Node, kernel: KernelFacts, grids: Mapping[str, GridPlan]) -> BiasSide:
    """The input scale, the bias and the scale limits of a layer that runs in integers."""
    source = node.inputs[0]
    assert source is not None
    bias = constant(node.inputs[kernel.bias]) if kernel.bias is not None and kernel.bias < len(node.inputs) else None
    grid = grids.get(str(source.name))  # no grid: it is measured at every run, and the bias stays float
    return BiasSide(
        1.0 if grid is None else grid.scale,
        None if bias is None else np.asarray(bias, np.float32),
        *weight_scale_limits(node, kernel, grids),
    )
