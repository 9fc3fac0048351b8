"""The layers of a drawing: which row a box stands in, and its place among those beside it.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures", IEEE Trans. SMC 11 (1981).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: sweeps over the rows that look for fewer crossings
SWEEPS = 12

Edge = tuple[int, int]


@dataclass(frozen=True)
class Rows:
    """Boxes in rows; an edge over several rows passes a stand-in in each of them."""

    #: the boxes of each row from left to right; numbers from the count of boxes on are stand-ins
    rows: tuple[tuple[int, ...], ...]
    #: the chain of boxes and stand-ins of each edge, in the order of the edges
    chains: tuple[tuple[int, ...], ...]

    @property
    def links(self) -> list[Edge]:
        """Pairs of boxes or stand-ins in rows that follow each other."""
        return [pair for chain in self.chains for pair in pairwise(chain)]


def ranked(count: int, edges: Sequence[Edge]) -> list[int]:
    """The row of each box: below all that it follows, and a source right above what it feeds.

    edges: from a smaller to a larger number, so that there are no circles.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    before = [0] * count
    for source, target in edges:
        after[source].append(target)
        before[target] += 1
    rank = [0] * count
    for node in range(count):
        for target in after[node]:
            rank[target] = max(rank[target], rank[node] + 1)
    for node in range(count):
        if after[node] and not before[node]:
            rank[node] = min(rank[target] for target in after[node]) - 1
    lowest = min(rank, default=0)
    return [row - lowest for row in rank]


def rows_of(count: int, edges: Sequence[Edge]) -> Rows:
    """The boxes 0..count-1 in rows, ordered so that few lines cross."""
    rank = ranked(count, edges)
    chains, ranks = [], list(rank)
    for source, target in edges:
        chain = [source]
        for row in range(rank[source] + 1, rank[target]):
            chain.append(len(ranks))
            ranks.append(row)
        chains.append((*chain, target))
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for node in range(len(ranks)):
        rows[ranks[node]].append(node)
    return Rows(tuple(map(tuple, _ordered(rows, chains))), tuple(chains))


def _ordered(rows: list[list[int]], chains: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The rows in the order with the fewest crossings that sweeps down and up came to."""
    size = sum(map(len, rows))
    above: list[list[int]] = [[] for _ in range(size)]
    below: list[list[int]] = [[] for _ in range(size)]
    for chain in chains:
        for first, second in pairwise(chain):
            below[first].append(second)
            above[second].append(first)
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for beside, row in pairwise(rows if down else rows[::-1]):
            _sort(row, beside, above if down else below)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _sort(row: list[int], beside: list[int], neighbours: list[list[int]]) -> None:
    """Order a row by the mean place of what its boxes are connected to; the others keep theirs.

    beside: the row in which all of that is, since chains step from row to row.
    """
    place = {node: at for at, node in enumerate(beside)}
    own = {node: float(at) for at, node in enumerate(row)}
    for node in row:
        if neighbours[node]:
            own[node] = sum(place[other] for other in neighbours[node]) / len(neighbours[node])
    row.sort(key=lambda node: own[node])


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    total = 0
    for row, under in pairwise(rows):
        place = {node: at for at, node in enumerate(under)}
        seen: list[int] = []
        for node in row:
            ends = sorted(place[other] for other in below[node])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
