"""The book of a search: its judged points and the best of them, whose plan is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeq.metrics.metric import Metric
from edgeq.progress import Progress
from edgeq.schema.plan import Plan, SearchPlan
from edgeq.schema.recipe import Recipe
from edgeq.search.builder import Builder
from edgeq.search.journal import Journal
from edgeq.search.points import Goal, Point
from edgeq.search.verdict import why

#: file in the folder of a search: the best plan so far, ready for --plan
BEST_PLAN = "best.plan.json"


@dataclass
class Book:
    """The judged points and the best of them, with its plan on disk."""

    builder: Builder
    recipe: Recipe
    #: the folder of the search; None: nothing is written
    work: Path | None
    journal: Journal
    progress: Progress
    #: the task metric of the data; None: it has none
    metric: Metric | None = None
    #: by the candidate's key
    points: dict[str, Point] = field(default_factory=dict)
    #: the best point that was last reported
    shown: Point | None = None

    @property
    def goal(self) -> Goal:
        """What to search for; the first judged point is that of the default plan."""
        floors = self.recipe.floors.wanted
        return Goal(self.recipe.objective, floors, next(iter(self.points.values())).sqnr_db)

    def best(self) -> Point:
        """The point to choose if the search ended now."""
        return self.goal.best(tuple(self.points.values()))

    def add(self, point: Point) -> None:
        """Add a judged or timed point."""
        earlier = self.points.get(point.candidate.key)
        if earlier is not None and earlier.ratio is not None and point.ratio is None:
            return  # judged again from the journal: its known latency stays
        self.points[point.candidate.key] = point if earlier is None else replace(point, candidate=earlier.candidate)
        best = self.best()
        if self.shown is None or best.candidate.key != self.shown.candidate.key:
            if self.work is not None:
                self.journal.keep(BEST_PLAN, self.plan(best, finished=False).to_json())
            self.shown = best
            self.progress.note(f"best so far, of {len(self.points)}: {_told(best, self.metric)}")

    def plan(self, point: Point, finished: bool) -> Plan:
        """The point's plan, with the result of the search so far."""
        plan = self.builder.plan(point.candidate)
        assert plan is not None  # it was judged
        said = SearchPlan(
            objective=self.recipe.objective,
            candidate=point.candidate.name,
            why=why(self.goal, point, finished),
            tried=len(self.points),
            gate=("failed" if point.missed else "passed") if self.goal.floors else "none",
        )
        return plan.with_search(said)


def _told(point: Point, metric: Metric | None) -> str:
    """A line about the point for people."""
    accuracy = "" if point.accuracy is None or metric is None else f", {metric.name} {metric.text(point.accuracy)}"
    latency = "" if point.ratio is None else f", {point.ratio:.2f}x float's time"
    return f"{point.candidate.name}: SQNR {point.sqnr_db:.1f} dB{accuracy}, {point.integer_pct:.0f} % of MACs in integers{latency}"
