"""Which float nodes the runtime must be kept from running on codes."""

from __future__ import annotations

from edgeq.graph.operators import OPERATORS
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.target import Target


def held_in_float(plan: Plan, target: Target) -> frozenset[str]:
    """Names of the nodes whose integer kernel the runtime must not use though it has one.

    The recipe or a measurement keeps the node float, or the kernel is slower or can be slow in its
    place, or cannot compute this form of the operator.
    """
    slow = slow_on_codes(plan, target)
    return frozenset(name for name, node in plan.nodes.items() if node.runs == "float" and (name in slow or _held(node, plan)))


def slow_on_codes(plan: Plan, target: Target) -> frozenset[str]:
    """Names of the float nodes that are slow if the runtime moves a QuantizeLinear in front."""
    return frozenset(name for name, node in plan.nodes.items() if node.runs == "float" and node.op_type in target.movement.behind_conv)


def _held(node: NodePlan, plan: Plan) -> bool:
    unable = node.because == "obstacle" and node.op_type in OPERATORS and OPERATORS[node.op_type].fused_unchecked
    return unable or node.because in ("kept", "searched", "useless") or (node.because == "slower" and _between_codes(node, plan))


def _between_codes(node: NodePlan, plan: Plan) -> bool:
    """Whether a Dequantize stands before the node and a Quantize behind it."""
    before = (plan.grids.get(name) for name in node.inputs)
    return any(grid is not None and grid.readers == "all" for grid in before) and any(name in plan.grids for name in node.outputs)
