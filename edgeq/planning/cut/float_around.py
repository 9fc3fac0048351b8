"""The nodes that must be float around one that is float only because that costs less."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import onnx_ir as ir

from edgeq.planning.cut.placement_cut import GraphCut

#: as many nodes as a reason names
NAMED = 2


class FloatAround:
    """The nearest nodes that must be float, for all nodes of a graph that are float only by cost.

    They are reached through nodes that are float only by cost. One search from all of them at once
    finds them for the whole graph, however long its chains are.
    """

    def __init__(self, cut: GraphCut) -> None:
        self._cut = cut
        self._by_cost = [node for node in cut.graph if not cut.is_integer(node) and str(node.name) not in cut.obstacles]
        self._near = self._nearest()
        self._at_output = self._reaching(
            [node for node in self._by_cost if any(value.is_graph_output() for value in node.outputs)],
        )

    def nearest(self, node: ir.Node) -> Sequence[ir.Node]:
        """The nearest of them, at most NAMED; shape arithmetic, which explains nothing, is none."""
        return self._near[node]

    def at_output(self, node: ir.Node) -> bool:
        """Whether a graph output is reached."""
        return node in self._at_output

    def _nearest(self) -> dict[ir.Node, list[ir.Node]]:
        found: dict[ir.Node, list[ir.Node]] = {node: [] for node in self._by_cost}
        must = [node for node in self._cut.graph if self._explains(node)]
        queue = deque((node, node) for node in must)
        while queue:
            here, reason = queue.popleft()
            for other in _neighbours(self._cut, here):
                known = found.get(other)
                if known is not None and len(known) < NAMED and reason not in known:
                    known.append(reason)
                    queue.append((other, reason))
        return found

    def _explains(self, node: ir.Node) -> bool:
        obstacle = self._cut.obstacles.get(str(node.name))
        return obstacle is not None and obstacle.because != "no_float" and not self._cut.is_integer(node)

    def _reaching(self, ends: Sequence[ir.Node]) -> set[ir.Node]:
        by_cost, seen, queue = set(self._by_cost), set(ends), deque(ends)
        while queue:
            for other in _neighbours(self._cut, queue.popleft()):
                if other in by_cost and other not in seen:
                    seen.add(other)
                    queue.append(other)
        return seen


def _neighbours(cut: GraphCut, node: ir.Node) -> list[ir.Node]:
    """The nodes that produce its float inputs or read its float outputs."""
    before = [v.producer() for v in node.inputs if v is not None and v.dtype == ir.DataType.FLOAT]
    after = [use.node for output in node.outputs if output.dtype == ir.DataType.FLOAT for use in output.uses()]
    return [n for n in (*before, *after) if n is not None and n.graph is cut.graph]
