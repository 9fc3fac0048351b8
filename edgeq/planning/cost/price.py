"""The time of nodes and conversions on one machine, by a column of a target's costs."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.graph.macs import elements, macs
from edgeq.graph.read import constant, dim
from edgeq.planning.cost.work import Work
from edgeq.planning.cost.works import Works
from edgeq.schema.cost import Column, KernelCost, PlacementWish
from edgeq.schema.target import Target

#: kernels of a conversion by its form: each change of layout is one of its own
_KERNELS = {"turned": 2, "image": 3}


@dataclass(frozen=True)
class Times:
    """The two kernels of a node, in nanoseconds."""

    integer: float
    float: float


@dataclass(frozen=True)
class Prices:
    """What everything costs on one machine."""

    target: Target
    #: name of the column
    name: str
    column: Column
    #: the work of nodes and values, which all machines of a comparison share
    works: Works = field(default_factory=Works)
    #: what is known already: work -> its time. Networks repeat a few sizes again and again
    _known: dict[Work, Times] = field(default_factory=dict, compare=False, repr=False)
    _converted: dict[Work, float] = field(default_factory=dict, compare=False, repr=False)

    def times(self, node: ir.Node) -> Times:
        """The time of a node as an integer and as a float kernel."""
        if node.op_type in self.target.movement.views:
            return Times(0.0, 0.0)
        work = self.works.of_node(node)
        known = self._known.get(work)
        if known is not None:
            return known
        cost = self._cost(work.kind)
        if cost is None:
            return self._by_facts(node, work)
        lanes = self.column.lanes
        found = Times(_ns(cost.integer.numbers, work.counts(lanes.integer)), _ns(cost.float.numbers, work.counts(lanes.float, blocks=True)))
        self._known[work] = found
        return found

    def quantize(self, value: ir.Value) -> float:
        """The time of quantizing a value."""
        return self._conversion("QuantizeLinear", value)

    def dequantize(self, value: ir.Value) -> float:
        """The time of dequantizing a value."""
        return self._conversion("DequantizeLinear", value)

    def doubled(self, value: ir.Value) -> float:
        """The time of multiplying all numbers of a value by one, in float."""
        size, cost = elements(value) * (self.works.batch if dim(value, 0) is None else 1), self._cost("Mul")
        if cost is None:
            kernel = self.target.kernel_of("Mul")
            return self.target.boundary.call_ns + size * (0.0 if kernel is None else kernel.float_ns)
        return _ns(cost.float.numbers, Work("Mul", size, 1, 1).counts(self.column.lanes.float))

    def sampled_apart(self, node: ir.Node) -> float:
        """The time of a float Resize that no float layer hands its blocks of channels to."""
        work = self.works.of_node(node)
        cost = self._cost(work.kind.removesuffix(".image"))
        return 0.0 if cost is None else _ns(cost.float.numbers, work.counts(self.column.lanes.float))

    def _conversion(self, op_type: str, value: ir.Value) -> float:
        work = self.works.of_conversion(op_type, value)
        if work not in self._converted:
            self._converted[work] = self._time_of_conversion(op_type, work)
        return self._converted[work]

    def _time_of_conversion(self, op_type: str, work: Work) -> float:
        cost, facts = self._cost(work.kind), self.target.boundary
        if cost is None:
            return facts.call_ns + work.places * (facts.quantize_ns if op_type == "QuantizeLinear" else facts.dequantize_ns)
        # chains call a few kernels again and again; among hundreds of others a call takes longer
        figures = (max(cost.integer.call, facts.call_ns * _KERNELS.get(work.kind.partition(".")[2], 1)), *cost.integer.numbers[1:])
        return _ns(figures, work.counts(self.column.lanes.integer))

    def _cost(self, kind: str) -> KernelCost | None:
        """The figures of a kind of work: its own, or those of the wider kind that it belongs to.

        What costs by the stretch of memory does so whatever it computes.
        """
        kinds = self.column.kinds
        if kind.endswith(".spread") and kind not in kinds and "Mul.spread" in kinds:
            kind = "Mul.spread"
        while kind not in kinds and "." in kind:
            kind = kind.rpartition(".")[0]
        return kinds.get(kind)

    def _by_facts(self, node: ir.Node, work: Work) -> Times:
        """The figures of the target's own tables, for what the column does not tell apart.

        Sizes that only a run tells promise no gain, and neither do operators that share a figure
        with many others.
        """
        kernel, call = self.target.kernel_of(node.op_type), self.target.boundary.call_ns
        facts = kernel or self.target.movement
        if kernel is not None and kernel.variable_ns is not None and constant(node.inputs[1]) is None:
            integer, floating = (macs(node) * ns + call for ns in kernel.variable_ns)
            return Times(integer, floating)
        size = work.places * max(work.reads, 1) * work.width
        integer, floating = size * facts.int_ns + call, size * facts.float_ns + call
        sure = _sized(node.outputs[0]) and kernel is not None
        return Times(integer if sure else max(integer, floating), floating)


def _ns(figures: tuple[float, ...], counts: tuple[float, ...]) -> float:
    return sum(figure * count for figure, count in zip(figures, counts, strict=True))


def _sized(value: ir.Value) -> bool:
    return value.shape is not None and all(isinstance(size, int) for size in tuple(value.shape)[1:])


def machines(target: Target, wish: PlacementWish) -> tuple[Prices, ...]:
    """The machines that placement weighs; none: time does not count, or nothing is known of it."""
    if wish.prefer == "integers" or target.cost is None or target.integer_only:
        return ()
    works = Works(wish.serve_batch)
    return tuple(Prices(target, name, column, works) for name, column in sorted(target.cost.columns.items()))
