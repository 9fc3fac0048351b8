"""Learned scales of activations: one for each group of values with a common grid, unless fixed."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import Parameter

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import constant, is_op, nodes
from edgeq.refine.draft import Draft
from edgeq.schema.plan import Plan
from edgeq.schema.target import Target

#: a change of 1 in a scale's parameter multiplies the scale by exp(SCALE_STEP): scales should move
#: more slowly than codes
SCALE_STEP = 0.05


@dataclass(frozen=True, eq=False)
class LearnedScale:
    """The learned scale of a group of values."""

    #: name of the scale's initializer
    name: str
    #: names of the values in the group
    values: tuple[str, ...]
    #: the scale in the plan
    first: float
    #: the parameter: the scale is first * exp(steps * SCALE_STEP)
    steps: Parameter
    #: whether the scale may only shrink, since the end of the grid replaces a Clip
    shrinks: bool

    def scale(self) -> Tensor:
        """The scale, float32 of shape ()."""
        steps = self.steps.clamp(max=0.0) if self.shrinks else self.steps
        return torch.tensor(self.first, dtype=torch.float32) * torch.exp(steps * SCALE_STEP)


def learned_scales(integers: ir.Model, draft: Draft) -> list[LearnedScale]:
    """The scales that may be learned, in graph order.

    Each of these groups gets a scale initializer of its own in the integer model, in place. Powers
    of two are not learned, nor grids that an operator fixes, nor those of the model's inputs, on
    which users rely.
    """
    plan, target = draft.plan, draft.task.target
    held = _held(draft.model, plan, target)
    clipped = {name for node in plan.nodes.values() if node.runs == "absorbed" and node.op_type == "Clip" for name in node.outputs}
    names, found = Names(integers), dict[str, LearnedScale]()
    for node in [node for node in nodes(integers) if is_op(node, "QuantizeLinear")]:
        value = _planned_value(node, plan)
        if value is None or target.activations.power_of_two:
            continue
        group = _group(plan, value)
        members = tuple(name for name in plan.grids if _group(plan, name) == group)
        if held.intersection(members):
            continue
        if group not in found:
            first, shrinks = plan.grids[value].scale, bool(clipped.intersection(members))
            found[group] = LearnedScale(names.value(f"{group}_own_scale"), members, first, Parameter(torch.zeros(())), shrinks)
        _read_own(integers, node, found[group].name)
    return list(found.values())


def read_as(integers: ir.Model, plan: Plan) -> dict[str, str]:
    """Value with a grid in the plan -> its dequantized value, by names, in graph order."""
    found = {}
    for node in nodes(integers):
        value = _planned_value(node, plan) if is_op(node, "QuantizeLinear") else None
        reader = next((use.node for use in node.outputs[0].uses()), None)
        if value is not None and reader is not None:
            found[value] = str(reader.outputs[0].name)
    return found


def _read_own(model: ir.Model, quantize: ir.Node, name: str) -> None:
    """Let a QuantizeLinear and its DequantizeLinear read the scale initializer of this name."""
    scale = quantize.inputs[1]
    array = constant(scale)
    assert array is not None
    own = model.graph.initializers.get(name) or add_constant(model.graph, array, name)
    for node in (quantize, *(use.node for use in quantize.outputs[0].uses())):
        if node.inputs[1] is scale:
            node.replace_input_with(1, own)


def _planned_value(quantize: ir.Node, plan: Plan) -> str | None:
    """The name under which the plan has a grid for the quantized value; None: it has none.

    For a graph output this is the name of the dequantized value.
    """
    reader = next((use.node for use in quantize.outputs[0].uses()), None)
    ends = (quantize.inputs[0], None if reader is None else reader.outputs[0])
    return next((str(value.name) for value in ends if value is not None and value.name in plan.grids), None)


def _group(plan: Plan, value: str) -> str:
    return plan.grids[value].group or value


def _held(floats: ir.Model, plan: Plan, target: Target) -> set[str]:
    """Values whose grid must not be learned."""
    found = {str(value.name) for value in floats.graph.inputs}
    for node in nodes(floats):
        kernel = target.kernel_of(node.op_type)
        fixed = kernel is not None and (kernel.output_grid is not None or kernel.fixed_range is not None)
        if fixed or is_op(node, "HardSigmoid"):  # rewritten as an integer Add, which only its grid clips
            found |= {str(value.name) for value in node.outputs}
    return found.intersection(plan.grids)
