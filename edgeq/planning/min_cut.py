"""The cheapest split of a directed graph in two: minimum cut by blocking flows (Dinic 1970).

Capacities are integers and the result is deterministic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

#: capacity of an edge that must not be cut
FORBIDDEN = 1 << 60


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
        self._index: dict[Hashable, int] = {"source": 0, "sink": 1}
        self._edges: list[list[int]] = [[], []]
        self._head: list[int] = []
        self._room: list[int] = []

    def prefer_source(self, node: Hashable, cost: int) -> None:
        """Pay `cost` if the node ends on the sink side."""
        self.add("source", node, cost)

    def prefer_sink(self, node: Hashable, cost: int) -> None:
        """Pay `cost` if the node ends on the source side."""
        self.add(node, "sink", cost)

    def add(self, a: Hashable, b: Hashable, cost: int) -> None:
        """Pay `cost` (>= 0, whole) if a ends on the source side and b on the sink side."""
        start, end = self._number(a), self._number(b)
        for origin, head, room in ((start, end, cost), (end, start, 0)):
            self._edges[origin].append(len(self._head))
            self._head.append(head)
            self._room.append(room)

    def source_side(self) -> set[Hashable]:
        """The nodes on the source side of a minimum cut.

        Of several minimum cuts, the one with the most nodes there.
        """
        while self._augment(self._levels()):
            pass
        to_sink = self._reaching_sink()
        return {node for node, number in self._index.items() if number not in to_sink and number > 1}

    def _number(self, node: Hashable) -> int:
        if node not in self._index:
            self._index[node] = len(self._edges)
            self._edges.append([])
        return self._index[node]

    def _levels(self) -> list[int]:
        level = [-1] * len(self._edges)
        level[0] = 0
        queue = deque([0])
        while queue:
            node = queue.popleft()
            for edge in self._edges[node]:
                head = self._head[edge]
                if self._room[edge] > 0 and level[head] < 0:
                    level[head] = level[node] + 1
                    queue.append(head)
        return level

    def _augment(self, level: list[int]) -> bool:
        """Push a blocking flow along the levels; False if the sink is out of reach."""
        if level[1] < 0:
            return False
        at = [0] * len(self._edges)
        path: list[int] = []
        node = 0
        while True:
            if node == 1:
                node = self._push(path)
                continue
            edge = self._next(node, level, at)
            if edge is not None:
                path.append(edge)
                node = self._head[edge]
            elif path:
                level[node] = -1
                node = self._head[path.pop() ^ 1]
            else:
                return True

    def _next(self, node: int, level: list[int], at: list[int]) -> int | None:
        edges = self._edges[node]
        while at[node] < len(edges):
            edge = edges[at[node]]
            if self._room[edge] > 0 and level[self._head[edge]] == level[node] + 1:
                return edge
            at[node] += 1
        return None

    def _push(self, path: list[int]) -> int:
        """Send as much flow as the path carries, and cut the path off before its first full edge.

        Returns the node at which the path then ends.
        """
        room = min(self._room[edge] for edge in path)
        full = None
        for position, edge in enumerate(path):
            self._room[edge] -= room
            self._room[edge ^ 1] += room
            if full is None and self._room[edge] == 0:
                full = position
        assert full is not None
        node = self._head[path[full] ^ 1]
        del path[full:]
        return node

    def _reaching_sink(self) -> set[int]:
        seen = {1}
        queue = deque([1])
        while queue:
            node = queue.popleft()
            for edge in self._edges[node]:
                tail = self._head[edge]
                if self._room[edge ^ 1] > 0 and tail not in seen:
                    seen.add(tail)
                    queue.append(tail)
        return seen
