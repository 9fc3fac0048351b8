"""The coordinates of a drawing: rows from top to bottom, and straight lines as far as they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgeq.report.page.ranks import Rows

#: pixels between boxes of a row, beside a line that passes, and between rows
GAP, BESIDE, BETWEEN = 26, 14, 30
#: times that the rows are moved towards their neighbours
PASSES = 16


@dataclass(frozen=True)
class Size:
    """Width and height of a box in pixels."""

    width: int
    height: int


#: of what stands for a line that passes a row
PASSING = Size(2, 0)


def placed(rows: Rows, sizes: Sequence[Size]) -> tuple[dict[int, float], dict[int, float]]:
    """x and y of the middle of every box and stand-in.

    Each row is moved to where its lines are straightest, in the least squares, while its order and
    the gaps hold; lines between stand-ins count most, so that long lines are straight.
    """
    size = dict(enumerate(sizes))
    x, y = _start(rows.rows, size)
    near: dict[int, list[int]] = {node: [] for row in rows.rows for node in row}
    far: dict[int, list[int]] = {node: [] for row in rows.rows for node in row}
    for first, second in rows.links:
        far[first].append(second)
        near[second].append(first)
    count = len(sizes)
    for turn in range(PASSES):
        down = turn % 2 == 0
        for row in rows.rows if down else rows.rows[::-1]:
            _move(row, near if down else far, x, size, count)
    return x, y


def _start(rows: Sequence[Sequence[int]], size: Mapping[int, Size]) -> tuple[dict[int, float], dict[int, float]]:
    x: dict[int, float] = {}
    y: dict[int, float] = {}
    top = 0.0
    for row in rows:
        at, height = 0.0, max(size.get(node, PASSING).height for node in row)
        width = sum(size.get(node, PASSING).width + GAP for node in row) - GAP
        for node in row:
            own = size.get(node, PASSING)
            x[node], y[node] = at + own.width / 2 - width / 2, top + height / 2
            at += own.width + GAP
        top += height + BETWEEN
    return x, y


def _move(row: Sequence[int], neighbours: Mapping[int, Sequence[int]], x: dict[int, float], size: Mapping[int, Size], count: int) -> None:
    wish, weight = [], []
    for node in row:
        others = neighbours[node]
        strength = [8.0 if node >= count and other >= count else 2.0 if node >= count or other >= count else 1.0 for other in others]
        total = sum(strength)
        wish.append(sum(x[other] * one for other, one in zip(others, strength, strict=True)) / total if others else x[node])
        weight.append(total if others else 0.1)
    shift, shifts = 0.0, [0.0]
    for left, right in pairwise(row):
        apart = BESIDE if left >= count or right >= count else GAP
        shift += (size.get(left, PASSING).width + size.get(right, PASSING).width) / 2 + apart
        shifts.append(shift)
    for node, at, own in zip(row, _rising([one - own for one, own in zip(wish, shifts, strict=True)], weight), shifts, strict=True):
        x[node] = at + own


def _rising(wish: Sequence[float], weight: Sequence[float]) -> list[float]:
    """The numbers that never fall and are closest to `wish` in the weighted least squares.

    Pool adjacent violators: Barlow et al., "Statistical inference under order restrictions" (1972).

    >>> _rising([1.0, 3.0, 2.0], [1.0, 1.0, 1.0])
    [1.0, 2.5, 2.5]
    """
    pools: list[tuple[float, float, int]] = []
    for value, strength in zip(wish, weight, strict=True):
        mean, total, members = value, strength, 1
        while pools and pools[-1][0] > mean:
            other, before, more = pools.pop()
            mean, total, members = (mean * total + other * before) / (total + before), total + before, members + more
        pools.append((mean, total, members))
    return [mean for mean, _, members in pools for _ in range(members)]
