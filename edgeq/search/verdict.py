"""What a search tells: what it chose and why, how much it tried, and the points that nothing else
beats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.schema.recipe import Objective
from edgeq.search.points import Goal, Point, pareto


@dataclass(frozen=True)
class Choice:
    """One candidate in figures. integer_pct: share of multiply-accumulates in integers, by plan.
    ratio: latency against float.
    """

    name: str
    chosen: bool
    sqnr_db: float
    agreement: float | None
    accuracy: float | None
    integer_pct: float
    bytes: int
    ratio: float | None


@dataclass(frozen=True)
class Search:
    """data: name of the set that candidates were judged on; apart: whether it is another than the
    calibration data. tried: candidates judged. finished: whether it came to its end before its
    minutes did. points: the Pareto front, closest to float first."""

    objective: str
    data: str
    samples: int
    apart: bool
    tried: int
    finished: bool
    why: str
    points: tuple[Choice, ...]


def choices(points: Sequence[Point], chosen: Point, objective: Objective) -> tuple[Choice, ...]:
    """The Pareto front of the points, and the chosen one in any case."""
    front = pareto(points, objective)
    shown = front if chosen in front else (*front, chosen)
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
        for point in sorted(shown, key=lambda p: -p.sqnr_db)
    )


def why(goal: Goal, chosen: Point, finished: bool) -> str:
    """Why the chosen point is the one, in a sentence; honest about what was not reached."""
    wanted = {
        "accuracy": "most multiply-accumulates in integers, then the least noise",
        "latency": "the lowest measured latency",
        "size": "the smallest file",
    }[goal.objective]
    among = "of those that hold the floors" if goal.floors else "of those near enough to float"
    ended = "" if finished else "; the minutes were over before everything was tried"
    if not goal.holds(chosen):
        return f"no candidate holds the floors: this one misses fewest and is closest to float{ended}"
    return f"{wanted} {among}{ended}"
