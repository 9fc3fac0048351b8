"""Costs by time alone on one machine, for a cut."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.macs import elements
from edgeq.graph.read import is_op, only_consumer, operator_of
from edgeq.planning.cost.facts import is_bias, path_from_conv, picoseconds, slow_ns
from edgeq.planning.cost.joined import joined_to
from edgeq.planning.cost.price import Prices, Times


@dataclass(frozen=True)
class ByTime:
    """What a cut weighs where nothing but time counts."""

    prices: Prices
    #: names of the nodes that must be float
    floats: Container[str]
    #: whether each reader has a Dequantize of its own: onnxruntime copies them
    each_reader: ClassVar[bool] = True

    def node(self, node: ir.Node) -> tuple[int, int]:
        """Cost of the node in picoseconds, as (integer, float) kernel.

        Integers that take longer by no more than what the figures are uncertain by are no loss;
        they must gain what the column asks for at least.
        """
        times, column = self.times(node), self.prices.column
        return picoseconds(times.integer), picoseconds(times.float * (1 + column.uncertain - column.least_gain))

    def times(self, node: ir.Node) -> Times:
        """The same in nanoseconds."""
        times, target = self.prices.times(node), self.prices.target
        source = node.inputs[0] if node.inputs else None
        if operator_of(node).joins_before and source is not None and only_consumer(source) is node:
            return Times(0.0, times.float)  # the grid before it saturates at its bounds
        slow = slow_ns(node, target, self.floats)
        if slow is not None:
            return Times(self._channels_first(node, times, slow), times.float)
        return Times(times.integer, 0.0) if is_bias(node, target) else times

    def joined(self, node: ir.Node) -> ir.Node | None:
        """The node within whose float kernel this one is free."""
        return joined_to(node)

    def pulled(self, node: ir.Node) -> int:
        """What a node costs more, in picoseconds, if it is float and its output is quantized.

        onnxruntime moves a QuantizeLinear in front of what only moves elements, which then runs on
        codes, and so does what it reads through views; but a Mul keeps it behind pools
        (passes/place/quantize_behind.py).
        """
        row = operator_of(node)
        if row.on_codes != "fused":
            return 0
        if node.op_type in self.prices.target.movement.behind_conv:
            return picoseconds(self.prices.doubled(node.outputs[0]))
        times, source = self.times(node), node.inputs[0]
        own = picoseconds(max(times.integer - times.float, 0.0))
        maker = source.producer() if row.moves == "views" and source is not None and only_consumer(source) is node else None
        return own if maker is None else own + self.pulled(maker)

    def behind(self, node: ir.Node) -> tuple[Sequence[ir.Node], int]:
        """The nodes behind which alone the integer kernel is fast, and what it costs more else, in
        picoseconds.
        """
        slow = self.prices.target.movement.behind_conv.get(node.op_type)
        path = () if slow is None else path_from_conv(node, self.floats)
        if slow is None or not path:
            return (), 0
        times = self.times(node)
        return path, picoseconds(self._channels_first(node, times, slow) - times.integer)

    def apart(self, node: ir.Node) -> tuple[ir.Node | None, int]:
        """The layer within whose blocks of channels alone the float kernel is fast, and what it
        costs more else, in picoseconds.
        """
        source = node.inputs[0] if node.inputs else None
        maker = None if source is None else source.producer()
        if operator_of(node).moves != "samples" or not is_op(maker, "Conv"):
            return None, 0
        return maker, picoseconds(max(self.prices.sampled_apart(node) - self.times(node).float, 0.0))

    def _channels_first(self, node: ir.Node, times: Times, slow: float) -> float:
        """The time of an integer kernel that is not behind a Conv, in nanoseconds."""
        return max(times.integer, elements(node.inputs[0]) * slow + self.prices.target.boundary.call_ns)

    def quantize(self, value: ir.Value) -> int:
        """Cost of quantizing a value, in picoseconds."""
        return picoseconds(self.prices.quantize(value))

    def dequantize(self, value: ir.Value) -> int:
        """Cost of dequantizing a value, in picoseconds."""
        return picoseconds(self.prices.dequantize(value))
