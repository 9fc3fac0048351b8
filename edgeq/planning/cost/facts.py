"""Costs by a target's own facts, which value work in integers more than its time."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.macs import elements, macs
from edgeq.graph.read import constant, is_op, only_consumer, operator_of
from edgeq.schema.target import Target

#: the cost of a float node on a target without float kernels: more than any cost but FORBIDDEN
NO_FLOAT = 1 << 44


def picoseconds(nanoseconds: float) -> int:
    """Time as a whole number, for a cut."""
    return round(nanoseconds * 1000)


@dataclass(frozen=True)
class Facts:
    """What a cut weighs where as much as possible is to run in integers."""

    target: Target
    #: names of the nodes that must be float
    floats: Container[str]
    #: whether each reader has a Dequantize of its own
    each_reader: ClassVar[bool] = False

    def node(self, node: ir.Node) -> tuple[int, int]:
        """Cost of the node in picoseconds, as (integer, float) kernel."""
        if self.target.integer_only:
            return 0, NO_FLOAT
        kernel = self.target.kernel_of(node.op_type)
        if kernel is not None and kernel.variable_ns is not None and constant(node.inputs[1]) is None:
            integer, floating = (picoseconds(macs(node) * ns) for ns in kernel.variable_ns)
            return integer, floating
        if kernel is not None and kernel.role == "compute":
            return 0, picoseconds(macs(node) * self.target.boundary.integer_mac_worth_ns)
        if node.op_type in self.target.movement.views:
            return 0, 0
        size = max(elements(node.inputs[0]) if "Pool" in node.op_type else 1, elements(node.outputs[0]))
        facts = kernel or self.target.movement
        call = self.target.boundary.call_ns
        if is_bias(node, self.target):
            return picoseconds(size * facts.int_ns + call), 0
        integer_ns = slow_ns(node, self.target, self.floats) or facts.int_ns
        return picoseconds(size * integer_ns + call), picoseconds(size * facts.float_ns + call)

    def joined(self, _node: ir.Node) -> ir.Node | None:
        """Facts know of no node that is free behind another."""
        return None

    def pulled(self, _node: ir.Node) -> int:
        """Facts know of no node that runs on codes all the same."""
        return 0

    def behind(self, _node: ir.Node) -> tuple[Sequence[ir.Node], int]:
        """Facts take a node to be as fast as behind a layer in integers."""
        return (), 0

    def apart(self, _node: ir.Node) -> tuple[ir.Node | None, int]:
        """Facts take a float node to be as fast as behind a float layer."""
        return None, 0

    def quantize(self, value: ir.Value) -> int:
        """Cost of quantizing a value, in picoseconds."""
        boundary = self.target.boundary
        return picoseconds(elements(value) * boundary.quantize_ns + boundary.call_ns)

    def dequantize(self, value: ir.Value) -> int:
        """Cost of dequantizing a value, in picoseconds."""
        boundary = self.target.boundary
        return picoseconds(elements(value) * boundary.dequantize_ns + boundary.call_ns)


def is_bias(node: ir.Node, target: Target) -> bool:
    """Whether the runtime adds this bias within the kernel of a product with a dynamic grid."""
    if target.dynamic is None or not is_op(node, "Add"):
        return False
    for value, other in (node.inputs[:2], node.inputs[1::-1]):
        maker = None if value is None else value.producer()
        if maker is not None and is_op(maker, *target.dynamic.ops) and constant(maker.inputs[1]) is not None:
            return constant(other) is not None and value is not None and only_consumer(value) is node
    return False


def slow_ns(node: ir.Node, target: Target, floats: Container[str]) -> float | None:
    """Cost per element in nanoseconds of an operator that is fast only behind a Conv.

    None for other operators, and where a Conv precedes it: see path_from_conv. floats: names of the
    nodes that must be float.
    """
    slow = target.movement.behind_conv.get(node.op_type)
    return None if slow is None or path_from_conv(node, floats) else slow


def path_from_conv(node: ir.Node, floats: Container[str]) -> list[ir.Node]:
    """The nodes from the Conv before a node on, the Conv last; none without one.

    In between are nodes that can run in integers and leave the axes in their order only: where all
    of them do, the runtime keeps channels last. floats: names of the nodes that must be float.
    """
    path: list[ir.Node] = []
    before = _before(node)
    while before is not None:
        path.append(before)
        if operator_of(before).layer:
            return path if is_op(before, "Conv") and str(before.name) not in floats else []
        turns = operator_of(before).moves in ("views", "reorders") or str(before.name) in floats
        before = None if turns else _before(before)
    return []


def _before(node: ir.Node) -> ir.Node | None:
    """The node of this graph that makes its first input that is no constant."""
    value = next((one for one in node.inputs if one is not None and constant(one) is None), None)
    maker = None if value is None else value.producer()
    return maker if maker is not None and maker.graph is node.graph else None
