"""What a search knows about its candidates, which of them is best for an objective, and which
nothing else beats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeq.schema.recipe import Objective
from edgeq.search.candidates import Candidate

#: without floors, a faster or smaller model may be this much further from float than the default's,
#: dB
TOLERANCE_DB = 1.0
#: latencies closer than this share of the float model's count as equal
TIE = 0.02


@dataclass(frozen=True)
class Point:
    """One measured candidate. sqnr_db: first output. accuracy: top-1, 0..1. integer_pct: share of
    multiply-accumulates in integers, by plan. ratio: median of paired times against the float
    model, None: not timed; margin: half its 95 % interval. sure: timed at length and with every
    thread setting. missed: a line for each floor that does not hold."""

    candidate: Candidate
    sqnr_db: float
    agreement: float | None
    accuracy: float | None
    integer_pct: float
    bytes: int
    missed: tuple[str, ...] = ()
    ratio: float | None = None
    margin: float = 0.0
    sure: bool = False


@dataclass(frozen=True)
class Goal:
    """What is wanted. floors: whether the recipe has any. base_sqnr_db: of the plan that the search
    began with.
    """

    objective: Objective
    floors: bool
    base_sqnr_db: float

    def holds(self, point: Point) -> bool:
        """Whether the point may be chosen: the floors hold; without floors a faster or smaller
        model is no worse than TOLERANCE_DB.
        """
        if self.floors or self.objective == "accuracy":
            return not point.missed
        return point.sqnr_db >= self.base_sqnr_db - TOLERANCE_DB

    def best(self, points: Sequence[Point]) -> Point:
        """The point to choose; when none holds, the one that misses fewest floors, and of those the
        one closest to float.
        """
        fit = [point for point in points if self.holds(point)]
        if not fit:
            return max(points, key=lambda point: (-len(point.missed), point.sqnr_db))
        if self.objective == "latency":
            return _fastest(fit)
        if self.objective == "size":
            return min(fit, key=lambda point: (point.bytes, -point.sqnr_db))
        return max(fit, key=lambda point: (point.integer_pct, point.sqnr_db))


def _fastest(points: Sequence[Point]) -> Point:
    """The lowest ratio of those that are faster than float by interval and TIE. Of those that tie,
    the one with most work in integers.

    A model without integer kernels runs the float model's own kernels: it needs no proof that it is
    not slower.
    """
    pool = [p for p in points if p.sure] or [p for p in points if p.ratio is not None] or list(points)
    safe = [p for p in pool if ratio_of(p) + p.margin <= 1 - TIE or p.integer_pct == 0] or pool
    limit = min(ratio_of(p) for p in safe) + TIE
    return max((p for p in safe if ratio_of(p) <= limit), key=lambda p: (p.integer_pct, -ratio_of(p)))


def ratio_of(point: Point) -> float:
    """The latency ratio, infinite where there is none."""
    return float("inf") if point.ratio is None else point.ratio


def pareto(points: Iterable[Point], objective: Objective) -> tuple[Point, ...]:
    """The points that no other equals or beats in both fidelity and what the objective counts;
    closest to float first.
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.sqnr_db, _cost(p, objective))):
        if not found or _cost(point, objective) < _cost(found[-1], objective):
            found.append(point)
    return tuple(found)


def _cost(point: Point, objective: Objective) -> float:
    """What fidelity is paid with: work in float, time or bytes."""
    if objective == "latency":
        return ratio_of(point)
    return 100 - point.integer_pct if objective == "accuracy" else float(point.bytes)
