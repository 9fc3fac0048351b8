"""The minimum cut behind a placement: nodes and values of one graph are integer or float.

Integer is the source side, float the sink side. Where the costs of several machines are weighed,
each has a cut of its own, and what one of them puts into float is float for all of them: cuts are
repeated until no machine changes anything. No part is then in integers that some machine would
rather compute in floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from edgeq.graph.read import constant
from edgeq.planning.cost.facts import Facts
from edgeq.planning.cost.price import Prices
from edgeq.planning.cost.times import ByTime
from edgeq.planning.cut.edges import add_path, add_way_back
from edgeq.planning.cut.graph_rows import NodeRow, ValueRow, node_row, readers, value_row, vertex
from edgeq.planning.cut.min_cut import FORBIDDEN, MinCut
from edgeq.planning.kernel_fit import MEASURES, NOT_FLOAT, data_inputs, hands_out_float, obstacle
from edgeq.runtimes.fusion import Fusion, broken_by_integers, tied
from edgeq.schema.cost import Slower
from edgeq.schema.plan import Because
from edgeq.schema.target import Target


@dataclass(frozen=True)
class Cause:
    """Why a node runs where it does: `because` for code, `reason` for people."""

    because: Because
    reason: str
    #: the machine that is faster with floats, and by how much, where that decided
    slower: Slower | None = None


class GraphCut:
    """Decides which nodes and values of one graph are integer."""

    def __init__(
        self,
        graph: ir.Graph,
        target: Target,
        kept: Mapping[str, Cause],
        unfit: Mapping[str, Cause],
        fusions: Iterable[Fusion] = (),
        machines: Sequence[Prices] = (),
    ) -> None:
        """Cut the graph.

        kept: node name -> why it is to stay float. unfit: value name -> why no grid can hold it.
        fusions: what the runtime computes with one kernel where all of it is float. machines: what
        everything costs on each; none: as much as possible is to run in integers.
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
        #: node name -> the first machine that computes it in floats by choice
        self.slower: dict[str, ByTime] = {}
        self._side = (
            self._agreed([ByTime(prices, self.obstacles) for prices in machines]) if machines else self._cut(Facts(target, self.obstacles))
        )

    def is_integer(self, node: ir.Node) -> bool:
        """Whether the node runs in integers."""
        return ("node", node.name) in self._side

    def is_integer_value(self, value: ir.Value) -> bool:
        """Whether all readers see the quantized form; float ones see it dequantized."""
        return ("value", value.name) in self._side

    def integer_readers(self, value: ir.Value) -> list[ir.Node]:
        """The nodes of this graph that read the value in integers."""
        return [node for node in readers(value, self.graph) if self.is_integer(node)]

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

    def _agreed(self, machines: Sequence[ByTime]) -> set[object]:
        """The side on which all machines agree."""
        names = [str(node.name) for node in self.graph if str(node.name) not in self.obstacles]
        side: set[object] = set()
        agree, turn = 0, 0
        while agree < len(machines):
            machine = machines[turn % len(machines)]
            side = self._cut(machine)
            left = [name for name in names if ("node", name) not in side and name not in self.slower]
            self.slower.update(dict.fromkeys(left, machine))
            agree, turn = 1 if left else agree + 1, turn + 1
            if len(self.slower) == len(names):  # nothing is left to be found slow
                break
        return side

    def _cut(self, costs: Facts | ByTime) -> set[object]:
        cut = MinCut()
        self._add_floats(cut)
        for row in self._node_rows:
            self._add_node(cut, row, costs)
        for one in self._value_rows.values():
            self._add_value(cut, one, costs)
        return set(cut.source_side())

    @cached_property
    def _node_rows(self) -> list[NodeRow]:
        return [node_row(node, self.target) for node in self.graph]

    @cached_property
    def _value_rows(self) -> dict[str, ValueRow]:
        return {str(value.name): value_row(value, self.graph, self.target) for value in self.values}

    def _must_be_float(self, row: NodeRow) -> bool:
        return row.name in self.obstacles or row.name in self.slower

    def _add_floats(self, cut: MinCut) -> None:
        """Nodes that must be float, and what they make: there is nothing to search among them."""
        for row in self._node_rows:
            if self._must_be_float(row):
                for one in (row.here, *row.outputs):
                    cut.put_on_sink_side(one)

    def _add_node(self, cut: MinCut, row: NodeRow, costs: Facts | ByTime) -> None:
        node, here = row.node, row.here
        if not self._must_be_float(row):
            integer, floating = costs.node(node)
            cut.prefer_sink(here, integer)
            joined = costs.joined(node)
            if joined is None or joined.graph is not self.graph:
                cut.prefer_source(here, floating)
            else:  # free in float, unless the kernel that does it is an integer one
                cut.add(vertex(joined), here, floating)
            add_path(cut, here, *costs.behind(node))
            for there in row.outputs:
                if row.free:
                    cut.add(there, here, FORBIDDEN)
                else:
                    cut.join(here, there)
        layer, slower = costs.apart(node)
        if layer is not None and layer.graph is self.graph:
            cut.add(vertex(layer), here, slower)
        pulled = costs.pulled(node)
        for one in (self._value_rows.get(name) for _, name in row.outputs) if pulled else ():
            if one is not None and one.quantized is not None:
                cut.add(one.quantized, here, pulled)

    def _add_value(self, cut: MinCut, row: ValueRow, costs: Facts | ByTime) -> None:
        value, here, quantized = row.value, row.here, row.quantized
        if value.is_graph_input():
            cut.prefer_sink(here, FORBIDDEN)
        if row.name in self.unfit:
            cut.prefer_sink(here, FORBIDDEN)
        if quantized is not None:
            if row.name in self.unfit:
                cut.prefer_sink(quantized, FORBIDDEN)
            cut.add(quantized, here, costs.quantize(value))
            for taker in row.takers:
                cut.add(taker, quantized, FORBIDDEN)
        add_way_back(cut, row, costs)
