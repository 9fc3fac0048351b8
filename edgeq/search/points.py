"""The measured points of a search, the best one for an objective, and the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeq.schema.recipe import Objective
from edgeq.search.candidates import Candidate

#: without floors, a faster or smaller model may have this much less SQNR than the default plan's,
#: in dB
TOLERANCE_DB = 1.0
#: latencies closer than this share of the float model's count as equal
TIE = 0.02


@dataclass(frozen=True)
class Point:
    """One measured candidate."""

    candidate: Candidate
    #: of the weakest output or part of one
    sqnr_db: float
    #: share of samples with the float model's arg-max, 0..1
    agreement: float | None
    #: the task metric; None: the data has none
    accuracy: float | None
    #: share of multiply-accumulates that the plan runs in integers, 0..100
    integer_pct: float
    #: size of the model
    bytes: int
    #: a line for each floor that does not hold
    missed: tuple[str, ...] = ()
    #: share of the values of 16 bits, 0..100
    wide_pct: float = 0.0
    #: median of paired times against the float model; None: not timed
    ratio: float | None = None
    #: half the 95 % interval of the ratio
    margin: float = 0.0
    #: whether it was timed at length and with every thread setting
    sure: bool = False


@dataclass(frozen=True)
class Goal:
    """What a search looks for."""

    objective: Objective
    #: whether the recipe has any floors
    floors: bool
    #: SQNR of the plan that the search started with
    base_sqnr_db: float

    def holds(self, point: Point) -> bool:
        """Whether the point may be chosen.

        The floors must hold; without floors, a faster or smaller model may lose TOLERANCE_DB at
        most.
        """
        if self.floors or self.objective == "accuracy":
            return not point.missed
        return point.sqnr_db >= self.base_sqnr_db - TOLERANCE_DB

    def best(self, points: Sequence[Point]) -> Point:
        """The point to choose.

        If none holds, it is the one closest to float among those that miss the fewest floors.
        """
        fit = [point for point in points if self.holds(point)]
        if not fit:
            return max(points, key=lambda point: (-len(point.missed), point.sqnr_db))
        if self.objective == "latency":
            return _fastest(fit)
        if self.objective == "size":
            return min(fit, key=lambda point: (point.bytes, -point.sqnr_db))
        return max(fit, key=lambda point: (point.integer_pct, -point.wide_pct, point.sqnr_db))


def _fastest(points: Sequence[Point]) -> Point:
    """The lowest ratio; of those that tie, the point with most work in integers.

    A point must be faster than float by its margin and TIE. A model without integer kernels runs
    the float model's own kernels, so it needs no proof that it is not slower.
    """
    pool = [p for p in points if p.sure] or [p for p in points if p.ratio is not None] or list(points)
    safe = [p for p in pool if ratio_of(p) + p.margin <= 1 - TIE or p.integer_pct == 0] or pool
    limit = min(ratio_of(p) for p in safe) + TIE
    return max((p for p in safe if ratio_of(p) <= limit), key=lambda p: (p.integer_pct, -ratio_of(p)))


def ratio_of(point: Point) -> float:
    """The latency ratio; infinite if the point was not timed."""
    return float("inf") if point.ratio is None else point.ratio


def pareto(points: Iterable[Point], objective: Objective) -> tuple[Point, ...]:
    """The points that no other equals or beats in both SQNR and cost, closest to float first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.sqnr_db, _cost(p, objective))):
        if not found or _cost(point, objective) < _cost(found[-1], objective):
            found.append(point)
    return tuple(found)


def _cost(point: Point, objective: Objective) -> float:
    """What is traded against SQNR: work in float, time or bytes."""
    if objective == "latency":
        return ratio_of(point)
    return 100 - point.integer_pct if objective == "accuracy" else float(point.bytes)
