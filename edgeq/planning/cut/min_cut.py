"""The cheapest split of a directed graph in two: minimum cut by a preflow (Goldberg, Tarjan 1988).

Capacities are integers and the result is deterministic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from heapq import heapify, heappop, heappush

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
        self._preflow()
        away = self._distances()
        return {node for node, number in self._index.items() if away[number] == len(away) and number > 1}

    def _number(self, node: Hashable) -> int:
        if node not in self._index:
            self._index[node] = len(self._edges)
            self._edges.append([])
        return self._index[node]

    def _preflow(self) -> None:
        """Push as much as can reach the sink; what cannot stays where it is.

        The node that is farthest from the sink goes first, so that what comes from behind moves on
        together: the work on a chain is linear.
        """
        height, excess = self._distances(), [0] * len(self._edges)
        for edge in self._edges[0]:
            self._push(edge, self._room[edge], excess)
        while True:
            waiting = [(-height[node], node) for node in range(2, len(excess)) if excess[node] and height[node] < len(height)]
            if not waiting:
                return
            heapify(waiting)
            self._discharge(waiting, height, excess)
            height = self._distances()

    def _discharge(self, waiting: list[tuple[int, int]], height: list[int], excess: list[int]) -> None:
        """Move excess towards the sink, until none can move, or the heights have grown old."""
        size, lifted = len(height), 0
        at = [0] * size
        while waiting and lifted <= size:
            negative, node = heappop(waiting)
            if not excess[node] or -negative != height[node]:
                continue
            edges = self._edges[node]
            while excess[node]:
                if at[node] == len(edges):
                    height[node] = min((height[self._head[edge]] + 1 for edge in edges if self._room[edge]), default=size)
                    at[node], lifted = 0, lifted + 1
                    break
                edge = edges[at[node]]
                head = self._head[edge]
                if self._room[edge] and height[node] == height[head] + 1:
                    if head > 1 and not excess[head]:
                        heappush(waiting, (-height[head], head))
                    self._push(edge, min(excess[node], self._room[edge]), excess)
                else:
                    at[node] += 1
            if excess[node] and height[node] < size:
                heappush(waiting, (-height[node], node))

    def _push(self, edge: int, amount: int, excess: list[int]) -> None:
        self._room[edge] -= amount
        self._room[edge ^ 1] += amount
        excess[self._head[edge]] += amount
        excess[self._head[edge ^ 1]] -= amount

    def _distances(self) -> list[int]:
        """How many edges with room lie between each node and the sink; out of reach: all of them.

        A source is never passed.
        """
        size = len(self._edges)
        found = [size] * size
        found[1] = 0
        queue = deque([1])
        while queue:
            node = queue.popleft()
            for edge in self._edges[node]:
                tail = self._head[edge]
                if self._room[edge ^ 1] and tail and found[tail] == size:
                    found[tail] = found[node] + 1
                    queue.append(tail)
        return found
