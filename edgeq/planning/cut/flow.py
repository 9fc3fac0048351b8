"""The largest flow through a graph, by two search trees that are kept.

Boykov and Kolmogorov, "An experimental comparison of min-cut/max-flow algorithms for energy
minimization in vision" (2004): a tree grows from the source and one to the sink; where they meet,
flow is sent along the path, and what it cuts off looks for another parent. Costs of placement are
local, so paths are short, and the trees are not searched anew for each of them.
"""

from __future__ import annotations

from collections import deque

#: trees that a node may be in
_NONE, _SOURCE, _SINK = 0, 1, 2
#: what stands for an edge to the parent: there is none, the parent is lost, it is the tree's root
_FREE, _ORPHAN, _ROOT = -3, -2, -1


class Flow:
    """A flow that is made as large as it can be, with the two trees.

    edges: of each node, those that leave it, by their number. head, room: of each edge, where it
    leads and what it can still take; edge ^ 1 is its reverse. spare: of each node, what the source
    can still send into it, or, below 0, it into the sink. `run` changes room and spare.
    """

    def __init__(self, edges: list[list[int]], head: list[int], room: list[int], spare: list[int]) -> None:
        self.edges, self.head, self.room, self.spare = edges, head, room, spare
        size = len(edges)
        self.tree = [_SOURCE if one > 0 else _SINK if one < 0 else _NONE for one in spare]
        #: the edge from a node to its parent
        self.up = [_ROOT if one else _FREE for one in spare]
        #: edges to the root, as far as known, and in which round that was found
        self.depth, self.round = [1] * size, [0] * size
        self.active = deque(number for number in range(size) if spare[number])
        self.orphans: deque[int] = deque()
        self.now = 0

    def run(self) -> None:
        """Send flow until no path from the source to the sink is left."""
        while self.active:
            node = self.active[0]
            meeting = self._grown(node) if self.tree[node] else None
            if meeting is None:
                self.active.popleft()
                continue
            self.now += 1
            self._send(meeting)
            while self.orphans:
                self._adopt(self.orphans.popleft())

    def _grown(self, node: int) -> int | None:
        """Take neighbours into the tree of a node; the edge at which it meets the other tree."""
        tree, head, room, up = self.tree, self.head, self.room, self.up
        mine = tree[node]
        for edge in self.edges[node]:
            along = edge if mine == _SOURCE else edge ^ 1  # the direction in which flow would go
            if not room[along]:
                continue
            other = head[edge]
            if tree[other] == _NONE:
                tree[other], up[other] = mine, edge ^ 1
                self.depth[other], self.round[other] = self.depth[node] + 1, self.round[node]
                self.active.append(other)
            elif tree[other] != mine:
                return along
        return None

    def _send(self, meeting: int) -> None:
        """Send what the path through an edge carries; nodes that it cuts off become orphans."""
        first, last = self.head[meeting ^ 1], self.head[meeting]
        above, below = self._path(first), self._path(last)
        rooms = [self.room[meeting], self.spare[above[-1]], -self.spare[below[-1]]]
        rooms += [self.room[self.up[node] ^ 1] for node in above[:-1]]
        rooms += [self.room[self.up[node]] for node in below[:-1]]
        most = min(rooms)
        self._move(meeting, most)
        for node in above[:-1]:
            self._move(self.up[node] ^ 1, most)
            if not self.room[self.up[node] ^ 1]:
                self._lose(node)
        for node in below[:-1]:
            self._move(self.up[node], most)
            if not self.room[self.up[node]]:
                self._lose(node)
        for root, sign in ((above[-1], -1), (below[-1], 1)):
            self.spare[root] += sign * most
            if not self.spare[root]:
                self._lose(root)

    def _path(self, node: int) -> list[int]:
        """The node and its parents, up to the root."""
        path = [node]
        while self.up[path[-1]] != _ROOT:
            path.append(self.head[self.up[path[-1]]])
        return path

    def _move(self, edge: int, amount: int) -> None:
        self.room[edge] -= amount
        self.room[edge ^ 1] += amount

    def _lose(self, node: int) -> None:
        self.up[node] = _ORPHAN
        self.orphans.append(node)

    def _adopt(self, node: int) -> None:
        """Find another parent for an orphan, the one nearest to the root; else it is free."""
        mine, best, nearest = self.tree[node], _FREE, len(self.edges) + 2
        for edge in self.edges[node]:
            other = self.head[edge]
            if self.tree[other] == mine and self.room[edge ^ 1 if mine == _SOURCE else edge]:
                depth = self._depth(other)
                if depth is not None and depth < nearest:
                    best, nearest = edge, depth
        self.up[node] = best
        if best != _FREE:
            self.depth[node], self.round[node] = nearest + 1, self.now
            return
        for edge in self.edges[node]:
            other = self.head[edge]
            if self.tree[other] != mine:
                continue
            if self.room[edge ^ 1 if mine == _SOURCE else edge]:
                self.active.append(other)
            if self.up[other] >= 0 and self.head[self.up[other]] == node:
                self._lose(other)
        self.tree[node] = _NONE

    def _depth(self, node: int) -> int | None:
        """How many edges lie between a node and its root; None: an orphan is in between."""
        path = []
        here, steps = node, 0
        while self.round[here] != self.now:
            if self.up[here] == _ROOT:
                self.depth[here], self.round[here] = 1, self.now
                break
            if self.up[here] < 0:
                return None
            path.append(here)
            here = self.head[self.up[here]]
        steps = self.depth[here]
        for one in reversed(path):
            steps += 1
            self.depth[one], self.round[one] = steps, self.now
        return steps
