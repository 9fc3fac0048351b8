"""Recurrent layers whose integer kernel measures the grids of its input and state at every run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, dim, is_op, nodes
from edgeq.numerics.arrays import F32
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.saturation import neighbours
from edgeq.planning.weight_grids import choose_scales, code_range, symmetric_grid
from edgeq.schema.plan import NodePlan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.target_facts import DynamicLayer
from edgeq.schema.weights import IntegerWeight, integer_weight, weight_key

#: the inputs that are weights: of what comes in, and of the state before
WEIGHTS = (1, 2)


def dynamic_layer(node: ir.Node, target: Target) -> DynamicLayer | None:
    """The facts about the integer kernel that the target has for a recurrent layer, or None."""
    layers = () if target.dynamic is None else target.dynamic.layer
    return next((layer for layer in layers if is_op(node, layer.op)), None)


def layer_obstacle(node: ir.Node, layer: DynamicLayer) -> str | None:
    """Why that kernel does not take the layer, or does not pay; None if it does both."""
    if any(constant(node.inputs[index]) is None for index in WEIGHTS):
        return f"the weights of {node.op_type} are computed at run time; {layer.kernel} needs constants"
    if attribute_int(node, "layout", 0) != 0:
        return f"{layer.kernel} takes sequences in layout 0 only"
    hidden = dim(node.inputs[2], 2)
    if hidden is None or hidden < layer.least_hidden:
        return f"{layer.kernel} takes longer than the float kernel where the hidden size is below {layer.least_hidden}: here it is {hidden}"
    return None


def recurrent_grids(model: ir.Model, places: Mapping[str, NodePlan], target: Target, recipe: Recipe) -> dict[str, IntegerWeight]:
    """The grids of the weights of all layers that run so, by weight_key."""
    found: dict[str, IntegerWeight] = {}
    for node in nodes(model):
        if places[str(node.name)].runs == "dynamic" and dynamic_layer(node, target) is not None:
            for index in WEIGHTS:
                found[weight_key(node.name, index)] = _grid(np.asarray(constant(node.inputs[index]), np.float32), target, recipe)
    return found


def row_codes(weight: F32, target: Target, recipe: Recipe) -> Codes:
    """The codes that a weight [D, gates * H, K] may have in the integer kernel.

    The rows of both directions are summed over apart, so neighbours are found in each.
    """
    low, high = code_range(target.weights, recipe.weight_bits)
    return Codes(low, high, neighbours((weight.shape[2],)), target.weights.pair_limit, target.weights.power_of_two)


def _grid(weight: F32, target: Target, recipe: Recipe) -> IntegerWeight:
    """The symmetric grid of a weight [D, gates * H, K], with one scale for a row of all D."""
    codes = row_codes(weight, target, recipe)
    channels = recipe.weights == "per_channel" and "per_channel" in target.weights.granularity
    scale = choose_scales(weight, np.ones((weight.shape[0], weight.shape[2])), codes, recipe.weight_rule, not channels, ())
    params = symmetric_grid(scale.max(0), 1 if channels else None, target.weights)
    return integer_weight(params, recipe.weight_rule, "one scale per row of a gate" if channels else "one scale per tensor")
