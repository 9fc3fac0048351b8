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
from edgeq.numerics.grid import next_power_of_two, quantize
from edgeq.planning.kernel_fit import channel_axis, data_inputs
from edgeq.planning.same_scale import Groups
from edgeq.planning.shift_limits import constant_floor, weight_scale_limits
from edgeq.planning.weight_grids import BiasSide, choose_scales, code_range, codes_of, constant_grid, symmetric_grid
from edgeq.schema.grids import GridPlan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts
from edgeq.schema.weights import IntegerWeight, integer_weight, weight_key


def constant_grids(
    model: ir.Model, groups: Groups, grids: Mapping[str, GridPlan], target: Target, recipe: Recipe
) -> dict[str, IntegerWeight]:
    """The grids of all constants that nodes in integers read, by weight_key."""
    found: dict[str, IntegerWeight] = {}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is None or groups.nodes[str(node.name)].runs != "int8":
            continue
        for index in data_inputs(node, kernel):
            array = constant(node.inputs[index])
            if array is None:
                continue
            key = weight_key(node.name, index)
            layer = layer_of(node) if index == kernel.weight else None
            if layer is None and index == kernel.weight and target.integer_only:
                found[key] = _plain_weight(node, kernel, np.asarray(array, np.float32), target, recipe)
            elif layer is not None:
                found[key] = weight_grid(node, kernel, layer, grids, target, recipe)
            else:
                params = constant_grid(np.asarray(array, np.float32), target.activations)
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
    array = np.asarray(constant(node.inputs[kernel.weight]), np.float32)
    rows = layer.weight_rows(array)
    axis = weight_axis(node, kernel, target, recipe)
    codes = codes_of(target.weights, layer, recipe.weight_bits)
    scale = choose_scales(rows, np.ones(rows[:, 0].shape), codes, recipe.weight_rule, axis is None, [side_of(node, kernel, grids)])
    nearest = codes.fit(np.rint(rows / scale[..., None]))
    return weight_plan(layer, scale, nearest, array, axis, target, recipe.weight_rule)


def _plain_weight(node: ir.Node, kernel: KernelFacts, weight: F32, target: Target, recipe: Recipe) -> IntegerWeight:
    """The grid of a weight that has no row form: its own range, zero point 0.

    Such weights are those of a grouped ConvTranspose and stacks of matrices.
    """
    axis = weight_axis(node, kernel, target, recipe)
    others = None if axis is None else tuple(other for other in range(weight.ndim) if other != axis)
    peak = np.atleast_1d(np.abs(weight).max(others, initial=0.0)) / code_range(target.weights, recipe.weight_bits)[1]
    scale = np.where(peak > 0, peak, 1.0).astype(np.float32)
    scale = next_power_of_two(scale) if target.weights.power_of_two else scale
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
