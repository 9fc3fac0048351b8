"""How far the grids of masks, scores and their sums have to reach before a Softmax.

The lowest number that the Softmax can tell from smaller ones is L (edgeq/calibration/as_read.py).
Of an x that is added to y before it, numbers below L - max(y) are alike then: the sum is below L
whatever y is. A grid that ends there saturates without harm. So a mask of -1e9 gets a grid that
leaves codes for a bias in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.patterns.softmax_readers import End, factor_end, far_end_at, far_ends, softmax_axis, turned
from edgeq.graph.read import constant, graphs, is_op
from edgeq.numerics.arrays import F32, AnyArray

#: number of steps of an activation grid
CODES = 255
#: the lowest and the highest number that need be told apart from those beyond; infinite: all
Limits = tuple[float, float]
NONE: Limits = (-np.inf, np.inf)


class SoftmaxLimits:
    """The limits of all values and constants of a model."""

    def __init__(self, model: ir.Model, statistics: Mapping[str, TensorStats]) -> None:
        """statistics: of the values that `limiting_values` names; without, there is no limit."""
        self._statistics = statistics
        self._ends: dict[ir.Value, End] = {}
        self._limits: dict[ir.Value, float | None] = {}
        self._names: dict[str, ir.Value] = {}
        for graph in graphs(model):
            ends = far_ends(graph)
            self._ends.update(ends)
            for node in reversed(graph):
                for output in node.outputs:
                    self._add(output)
            for value in graph.inputs:
                self._add(value)

    def of(self, name: str) -> Limits:
        """The limits of a value."""
        value = self._names.get(name)
        return NONE if value is None else _limits(self._ends[value], self._limits[value])

    def at(self, node: ir.Node, index: int) -> Limits:
        """The limits of one input of a node, as far as this node reads it."""
        end = factor_end(node, index, self._ends)
        if end:
            return _limits(end, self._factor(node, index))
        return _limits(far_end_at(node, index, self._ends), self._at(node, index))

    def clipped(self, node: ir.Node, index: int, array: AnyArray) -> F32:
        """A constant input of a node, with the numbers beyond its limits replaced by them."""
        low, high = self.at(node, index)
        return np.clip(np.asarray(array, np.float32), np.float32(low), np.float32(high))

    def _add(self, value: ir.Value) -> None:
        self._names[str(value.name)] = value
        end = self._ends[value]
        found = [self._at(use.node, use.idx) for use in value.uses()] if end else [None]
        known = [one for one in found if one is not None]
        self._limits[value] = _outermost(known, end) if len(known) == len(found) else None

    def _at(self, node: ir.Node, index: int) -> float | None:
        """The number beyond which those of this input are alike; None if it is not known."""
        end = far_end_at(node, index, self._ends)
        source = node.inputs[index] if index < len(node.inputs) else None
        if not end or source is None:
            return None
        if is_op(node, "Softmax"):
            return self._lowest(source)
        after = [self._limits.get(output) for output in node.outputs if output.uses()]
        known = [one for one in after if one is not None]
        if not known or len(known) < len(after):
            return None
        if is_op(node, "Add", "Sub"):
            other = self._range(node.inputs[1 - index])
            return None if other is None else self._beside(node, index, known[0], other, end)
        return self._scaled(node, index, known, end)

    def _factor(self, node: ir.Node, index: int) -> float | None:
        """The factor with which the other operand's least code but 0 makes the limit."""
        other, limit = self._range(node.inputs[1 - index]), self._limits.get(node.outputs[0])
        if other is None or limit is None:
            return None
        low, high = other
        if factor_end(node, index, self._ends) != self._ends[node.outputs[0]]:  # (kept - 1) * 1e9
            low, high, limit = -high, -low, -limit
        return None if low < 0 or high <= 0 else limit * CODES / high

    def _lowest(self, source: ir.Value) -> float | None:
        """The lowest number that a Softmax sees in its input, if nothing else reads that."""
        found = self._range(source) if softmax_axis(source) is not None else None
        return None if found is None else found[0]

    def _beside(self, node: ir.Node, index: int, limit: float, other: Limits, end: End) -> float:
        """From the limit of a sum or difference to that of one of its operands."""
        low, high = other
        if is_op(node, "Add"):
            return limit - (high if end < 0 else low)
        if index == 0:
            return limit + (low if end < 0 else high)
        return (low if end < 0 else high) - limit

    def _scaled(self, node: ir.Node, index: int, limits: list[float], end: End) -> float | None:
        if factor_end(node, 1 - index, self._ends) and self._factor(node, 1 - index) is not None:
            return None  # the factor is cut already, and cutting both would leave a product that is too small
        if is_op(node, "Mul", "Div"):
            factors = np.asarray(constant(node.inputs[1 - index]), np.float64)
            ends = np.array([factors.min(), factors.max()])
            return _outermost([one for limit in limits for one in (limit * ends if is_op(node, "Div") else limit / ends).tolist()], end)
        return _outermost([turned(node, index) * limit for limit in limits], end)

    def _range(self, value: ir.Value | None) -> Limits | None:
        """The finite range of a value or a constant; None if it is unknown."""
        array = constant(value)
        if array is not None:
            finite = array[np.isfinite(array)]
            return (float(finite.min()), float(finite.max())) if finite.size else None
        stats = None if value is None else self._statistics.get(str(value.name))
        return None if stats is None or not stats.count else (stats.low, stats.high)


def limiting_values(model: ir.Model, quantized: frozenset[str]) -> Iterator[str]:
    """The values whose ranges the limits of quantized values follow from, in graph order.

    They are what Softmax reads, what is added to or subtracted from that, and what masks are made
    of.
    """
    for graph in graphs(model):
        ends = far_ends(graph)
        if not any(end and value.name in quantized for value, end in ends.items()):
            continue
        for node in graph:
            for value in _deciding(node, ends):
                if value is not None and value.dtype == ir.DataType.FLOAT and constant(value) is None:
                    yield str(value.name)


def _deciding(node: ir.Node, ends: Mapping[ir.Value, End]) -> Sequence[ir.Value | None]:
    if is_op(node, "Softmax"):
        return node.inputs[:1]
    sums = is_op(node, "Add", "Sub") and ends.get(node.outputs[0])
    return node.inputs if sums or any(factor_end(node, index, ends) for index in range(len(node.inputs))) else ()


def _limits(end: End, limit: float | None) -> Limits:
    if limit is None or not end:
        return NONE
    return (min(limit, 0.0), np.inf) if end < 0 else (-np.inf, max(limit, 0.0))


def _outermost(limits: list[float], end: End) -> float | None:
    """The one that lets the most numbers count."""
    return None if not limits else min(limits) if end < 0 else max(limits)
