"""The report of a search: what it chose and why, how much it tried, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.schema.hold_out import JudgedOn
from edgeq.schema.recipe import Objective
from edgeq.search.points import Goal, Point, pareto


@dataclass(frozen=True)
class Choice:
    """One candidate in figures; see points.Point for the units."""

    name: str
    chosen: bool
    sqnr_db: float
    agreement: float | None
    accuracy: float | None
    integer_pct: float
    bytes: int
    #: latency relative to the float model's
    ratio: float | None


@dataclass(frozen=True)
class Search:
    """The result of a search, for the report."""

    objective: str
    #: name of the data that candidates were measured on
    data: str
    #: number of its samples
    samples: int
    #: what these samples are to the candidates
    on: JudgedOn
    #: number of candidates that were judged
    tried: int
    #: whether everything was tried before the minutes were over
    finished: bool
    #: why the chosen candidate is the best
    why: str
    #: the Pareto front, closest to float first
    points: tuple[Choice, ...]
    #: name of the metric that accuracies are of; None: the data has none
    metric: str | None = None
    #: whether it is a share in 0..1
    share: bool = True
    #: the other candidates, which one on the front equals or beats, closest to float first
    beaten: tuple[Choice, ...] = ()


def choices(points: Sequence[Point], chosen: Point, objective: Objective) -> tuple[Choice, ...]:
    """The Pareto front of the points, and in any case the chosen one."""
    front = pareto(points, objective)
    return _told(front if chosen in front else (*front, chosen), chosen)


def beaten(points: Sequence[Point], chosen: Point, objective: Objective) -> tuple[Choice, ...]:
    """The points that `choices` leaves out."""
    front = pareto(points, objective)
    return _told([point for point in points if point not in front and point != chosen], chosen)


def _told(points: Sequence[Point], chosen: Point) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            name=point.candidate.name,
            chosen=point == chosen,
            sqnr_db=point.sqnr_db,
            agreement=point.agreement,
            accuracy=point.accuracy,
            integer_pct=point.integer_pct,
            bytes=point.bytes,
            ratio=point.ratio,
        )
        for point in sorted(points, key=lambda p: -p.sqnr_db)
    )


def why(goal: Goal, chosen: Point, finished: bool) -> str:
    """A sentence that says why the point was chosen, and what was not reached."""
    wanted = {
        "accuracy": "most multiply-accumulates in integers, then the fewest values of 16 bits, then the least noise",
        "latency": "the lowest measured latency",
        "size": "the smallest file",
    }[goal.objective]
    among = "of those that hold the floors" if goal.floors else "of those close enough to float"
    ended = "" if finished else "; the time was over before everything was tried"
    if not goal.holds(chosen):
        return f"no candidate holds the floors: this one misses the fewest and is closest to float{ended}"
    return f"{wanted} {among}{ended}"
