"""The minimum cut behind a placement: nodes and values of one graph are integer or float.

Integer is the source side, float the sink side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.macs import elements, macs
from edgeq.graph.read import constant, is_op, only_consumer, operator_of
from edgeq.planning.kernel_fit import MEASURES, NOT_FLOAT, data_inputs, hands_out_float, obstacle
from edgeq.planning.min_cut import FORBIDDEN, MinCut
from edgeq.runtimes.fusion import Fusion, broken_by_integers, tied
from edgeq.schema.plan import Because
from edgeq.schema.target import Target

#: the cost of a float node on a target without float kernels: more than any cost but FORBIDDEN
NO_FLOAT = 1 << 44


@dataclass(frozen=True)
class Cause:
    """Why a node runs where it does: `because` for code, `reason` for people."""

    because: Because
    reason: str


class GraphCut:
    """Decides which nodes and values of one graph are integer."""

    def __init__(
        self, graph: ir.Graph, target: Target, kept: Mapping[str, Cause], unfit: Mapping[str, Cause], fusions: Iterable[Fusion] = ()
    ) -> None:
        """Cut the graph.

        kept: node name -> why it is to stay float. unfit: value name -> why no grid can hold it.
        fusions: what the runtime computes with one kernel where all of it is float.
        """
        self.graph, self.target, self.unfit = graph, target, unfit
        #: node name -> why it must be float
        self.obstacles: dict[str, Cause] = {}
        for node in graph:
            assert node.name is not None
            why = kept[node.name] if node.name in kept else self._obstacle(node)
            if why is not None:
                self.obstacles[node.name] = why
        self._keep_together(fusions)
        self.values = [v for v in (*graph.inputs, *(o for n in graph for o in n.outputs)) if v.name and v.dtype == ir.DataType.FLOAT]
        self._side = self._cut()

    def is_integer(self, node: ir.Node) -> bool:
        """Whether the node runs in integers."""
        return ("node", node.name) in self._side

    def is_integer_value(self, value: ir.Value) -> bool:
        """Whether all readers see the quantized form; float ones see it dequantized."""
        return ("value", value.name) in self._side

    def integer_readers(self, value: ir.Value) -> list[ir.Node]:
        """The nodes of this graph that read the value in integers."""
        return [node for node in self._readers(value) if self.is_integer(node)]

    def _obstacle(self, node: ir.Node) -> Cause | None:
        why = obstacle(node, self.target)
        if why is not None:
            return Cause("no_float" if why is NOT_FLOAT else "measured" if why is MEASURES else "obstacle", why)
        kernel = self.target.kernel_of(node.op_type)
        touched = [node.inputs[i] for i in data_inputs(node, kernel)]
        if any(v is not None and constant(v) is None and not self._own(v) for v in touched):
            return Cause("outer", "reads a value of the graph around this body, which reaches it as float")
        if kernel is None or not hands_out_float(node, kernel):
            touched.extend(node.outputs)
        return next((self.unfit[str(v.name)] for v in touched if v is not None and v.name in self.unfit), None)

    def _keep_together(self, fusions: Iterable[Fusion]) -> None:
        here = {str(node.name): node for node in self.graph}
        stuck = {name for name, cause in self.obstacles.items() if cause.because == "obstacle"}
        slow = () if self.target.slow_fusions is None else self.target.slow_fusions.add_before
        for fusion in broken_by_integers(fusions, here, stuck):
            for name, why in tied(fusion, here, stuck, slow):
                self.obstacles.setdefault(name, Cause("fused", why))

    def _own(self, value: ir.Value) -> bool:
        """Whether the value belongs to this graph and is not captured from an outer one."""
        producer = value.producer()
        return producer.graph is self.graph if producer is not None else value.graph is self.graph

    def _cut(self) -> set[object]:
        cut = MinCut()
        for node in self.graph:
            self._add_node(cut, node)
        for value in self.values:
            self._add_value(cut, value)
        return set(cut.source_side())

    def _add_node(self, cut: MinCut, node: ir.Node) -> None:
        here = ("node", node.name)
        if str(node.name) in self.obstacles:
            cut.prefer_sink(here, FORBIDDEN)
        else:
            integer, floating = self._costs(node)
            cut.prefer_sink(here, integer)
            cut.prefer_source(here, floating)
        kernel = self.target.kernel_of(node.op_type)
        free = kernel is not None and hands_out_float(node, kernel)
        for output in (value for value in node.outputs if value.name):  # one left out has no name and must not connect nodes
            there = ("value", output.name)
            cut.add(there, here, FORBIDDEN)
            if not free:
                cut.add(here, there, FORBIDDEN)

    def _add_value(self, cut: MinCut, value: ir.Value) -> None:
        here = ("value", value.name)
        if value.is_graph_input():
            cut.prefer_sink(here, FORBIDDEN)
        readers = self._readers(value)
        quantized, plain = ("quantized", value.name), ("plain", value.name)
        if value.name in self.unfit:
            cut.prefer_sink(here, FORBIDDEN)
            cut.prefer_sink(quantized, FORBIDDEN)
        boundary = self.target.boundary
        size = elements(value)
        cut.add(quantized, here, self._picoseconds(size * boundary.quantize_ns + boundary.call_ns))
        cut.add(here, plain, self._picoseconds(size * boundary.dequantize_ns + boundary.call_ns))
        for reader in readers:
            if self._reads_data(reader, value):
                cut.add(("node", reader.name), quantized, FORBIDDEN)
            cut.add(plain, ("node", reader.name), FORBIDDEN)
        if value.is_graph_output() or any(use.node.graph is not self.graph for use in value.uses()):
            cut.prefer_sink(plain, FORBIDDEN)

    def _readers(self, value: ir.Value) -> list[ir.Node]:
        return list(dict.fromkeys(use.node for use in value.uses() if use.node.graph is self.graph))

    def _reads_data(self, node: ir.Node, value: ir.Value) -> bool:
        indices = data_inputs(node, self.target.kernel_of(node.op_type))
        return any(i < len(node.inputs) and node.inputs[i] is value for i in indices)

    def _costs(self, node: ir.Node) -> tuple[int, int]:
        """Cost of the node in picoseconds, as (integer, float) kernel."""
        if self.target.integer_only:
            return 0, NO_FLOAT
        kernel = self.target.kernel_of(node.op_type)
        if kernel is not None and kernel.variable_ns is not None and constant(node.inputs[1]) is None:
            integer, floating = (self._picoseconds(macs(node) * ns) for ns in kernel.variable_ns)
            return integer, floating
        if kernel is not None and kernel.role == "compute":
            return 0, self._picoseconds(macs(node) * self.target.boundary.integer_mac_worth_ns)
        if node.op_type in self.target.movement.views:
            return 0, 0
        size = max(elements(node.inputs[0]) if "Pool" in node.op_type else 1, elements(node.outputs[0]))
        facts = kernel or self.target.movement
        call = self.target.boundary.call_ns
        if self._is_bias(node):
            return self._picoseconds(size * facts.int_ns + call), 0
        integer_ns = self.slow_ns(node) or facts.int_ns
        return self._picoseconds(size * integer_ns + call), self._picoseconds(size * facts.float_ns + call)

    def _is_bias(self, node: ir.Node) -> bool:
        """Whether the runtime adds this bias within the kernel of a product with a dynamic grid."""
        if self.target.dynamic is None or not is_op(node, "Add"):
            return False
        for value, other in (node.inputs[:2], node.inputs[1::-1]):
            maker = None if value is None else value.producer()
            if maker is not None and is_op(maker, *self.target.dynamic.ops) and constant(maker.inputs[1]) is not None:
                return constant(other) is not None and value is not None and only_consumer(value) is node
        return False

    def slow_ns(self, node: ir.Node) -> float | None:
        """Cost per element in nanoseconds of an operator that is fast only behind a Conv.

        None for other operators, and where a Conv precedes it, with nothing in between but nodes
        that can run in integers and leave the axes in their order: the runtime keeps channels last.
        """
        slow = self.target.movement.behind_conv.get(node.op_type)
        before = None if slow is None else self._before(node)
        while before is not None and not operator_of(before).layer:
            turns = operator_of(before).moves in ("views", "reorders") or str(before.name) in self.obstacles
            before = None if turns else self._before(before)
        return None if is_op(before, "Conv") else slow

    def _before(self, node: ir.Node) -> ir.Node | None:
        """The node of this graph that makes its first input that is no constant."""
        value = next((one for one in node.inputs if one is not None and constant(one) is None), None)
        maker = None if value is None else value.producer()
        return maker if maker is not None and maker.graph is self.graph else None

    @staticmethod
    def _picoseconds(nanoseconds: float) -> int:
        return round(nanoseconds * 1000)
