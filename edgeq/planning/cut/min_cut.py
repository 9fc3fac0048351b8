"""The cheapest split of a directed graph in two: minimum cut, by the largest flow.

Capacities are integers and the result is deterministic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from edgeq.planning.cut.flow import Flow

#: capacity of an edge that must not be cut
FORBIDDEN = 1 << 60
#: the number of all nodes that are on the sink side from the start
_ON_SINK_SIDE = -1


class MinCut:
    """A graph to be cut. Nodes are any hashable; the labels are "source side" and "sink side".

    >>> cut = MinCut()
    >>> cut.prefer_source("a", 5)
    >>> cut.prefer_sink("b", 3)
    >>> cut.add("a", "b", 1)  # cheaper to cut than to move either
    >>> cut.source_side()
    {'a'}
    """

    def __init__(self) -> None:
        self._index: dict[Hashable, int] = {}
        self._edges: list[list[int]] = []
        self._head: list[int] = []
        self._room: list[int] = []
        #: what the source may still send into a node, or, below 0, the node into the sink
        self._spare: list[int] = []

    def prefer_source(self, node: Hashable, cost: int) -> None:
        """Pay `cost` if the node ends on the sink side."""
        number = self._number(node)
        if number != _ON_SINK_SIDE:
            self._spare[number] += cost

    def prefer_sink(self, node: Hashable, cost: int) -> None:
        """Pay `cost` if the node ends on the source side."""
        number = self._number(node)
        if number != _ON_SINK_SIDE:
            self._spare[number] -= cost

    def join(self, a: Hashable, b: Hashable) -> None:
        """Let b, which was not named before, always be on the side of a.

        That is what edges of FORBIDDEN in both directions say; the two are one node to the search.
        """
        assert b not in self._index
        self._index[b] = self._number(a)

    def put_on_sink_side(self, node: Hashable) -> None:
        """Let a node, which was not named before, be on the sink side whatever that costs."""
        assert node not in self._index
        self._index[node] = _ON_SINK_SIDE

    def add(self, a: Hashable, b: Hashable, cost: int) -> None:
        """Pay `cost` (>= 0, whole) if a ends on the source side and b on the sink side."""
        start, end = self._number(a), self._number(b)
        if not cost or start in (end, _ON_SINK_SIDE):  # nothing would flow along it
            return
        if end == _ON_SINK_SIDE:
            self._spare[start] -= cost
            return
        for origin, head, room in ((start, end, cost), (end, start, 0)):
            self._edges[origin].append(len(self._head))
            self._head.append(head)
            self._room.append(room)

    def source_side(self) -> set[Hashable]:
        """The nodes on the source side of a minimum cut.

        Of several minimum cuts, the one with the most nodes there.
        """
        Flow(self._edges, self._head, self._room, self._spare).run()
        reaching = self._reaching_sink() | {_ON_SINK_SIDE}
        return {node for node, number in self._index.items() if number not in reaching}

    def _number(self, node: Hashable) -> int:
        if node not in self._index:
            self._index[node] = len(self._edges)
            self._edges.append([])
            self._spare.append(0)
        return self._index[node]

    def _reaching_sink(self) -> set[int]:
        """The nodes from which more could still be sent into the sink."""
        found = {number for number, spare in enumerate(self._spare) if spare < 0}
        queue = deque(found)
        while queue:
            for edge in self._edges[queue.popleft()]:
                tail = self._head[edge]
                if self._room[edge ^ 1] and tail not in found:
                    found.add(tail)
                    queue.append(tail)
        return found
