"""Which nodes of a plan must be kept from the integer kernels that the runtime has for them."""

from __future__ import annotations

from collections.abc import Mapping

from edgeq.graph.operators import OPERATORS, UNKNOWN
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.target import Target


def held_float(plan: Plan, target: Target) -> frozenset[str]:
    """Names of float nodes that the runtime must not turn into integer kernels."""
    behind = _absorbed_behind(plan)
    return frozenset(name for name, node in plan.nodes.items() if _must_stay_float(node, plan, target, behind))


def pools_before_codes(plan: Plan, target: Target) -> frozenset[str]:
    """Names of float nodes in front of which a Quantize must not be moved.

    Their kernels on codes are slow where channels are not last.
    """
    if target.runtime != "onnxruntime":
        return frozenset()
    return frozenset(name for name, node in plan.nodes.items() if node.runs == "float" and node.op_type in target.movement.behind_conv)


def _must_stay_float(node: NodePlan, plan: Plan, target: Target, behind: Mapping[str, str]) -> bool:
    """Whether the runtime must not use an integer kernel that it has for the node.

    The recipe or a measurement keeps the node float, or the kernel is slower or can be slow in its
    place, or cannot compute this form of the operator; or it is a layer between codes, whose weight
    the runtime would round to one grid and dequantize in every run.
    """
    row = OPERATORS.get(node.op_type, UNKNOWN)
    unable = node.because == "obstacle" and row.fused_unchecked
    kept = node.because in ("kept", "searched", "useless")
    layer = row.layer and row.bias is not None
    alone = (node.because == "slower" or layer) and _between_codes(node, plan, behind)
    return node.runs == "float" and (unable or kept or alone or node.op_type in target.movement.behind_conv)


def _absorbed_behind(plan: Plan) -> dict[str, str]:
    """Value -> what an absorbed node makes of it, whose grid is that of the node before."""
    return {node.inputs[0]: node.outputs[0] for node in plan.nodes.values() if node.runs == "absorbed" and node.inputs and node.outputs}


def _between_codes(node: NodePlan, plan: Plan, behind: Mapping[str, str]) -> bool:
    """Whether a Dequantize stands before the node and a Quantize behind it."""
    return _reads_codes(node, plan) and any(_last(name, behind) in plan.grids for name in node.outputs)


def _last(name: str, behind: Mapping[str, str]) -> str:
    while name in behind:
        name = behind[name]
    return name


def _reads_codes(node: NodePlan, plan: Plan) -> bool:
    grids = (plan.grids.get(name) for name in node.inputs)
    return any(grid is not None and grid.readers == "all" for grid in grids)
