"""The plan of a run: an earlier one, the best of a search, or the one that is decided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeq.data.roles import Roles
from edgeq.errors import BadData
from edgeq.integers.legality.refuse import refuse_search
from edgeq.progress import Clock, Progress
from edgeq.refine.judge import Judge
from edgeq.refine.steps import earlier_plan
from edgeq.rewrite.set_up import SetUp
from edgeq.runtimes.judged import judged
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned
from edgeq.search.rescue import Rescue, rescued
from edgeq.search.search import SearchTask, search
from edgeq.search.verdict import Search


def planned_by(
    setup: SetUp, roles: Roles, judge: Judge | None, decided: Callable[[], Planned], plan: Plan | None, work: str | Path | None,
    clock: Clock, progress: Progress,
) -> tuple[Planned, Search | None, Rescue | None]:  # fmt: skip
    """The plan: an earlier one, the best that a search finds, or the one that is decided."""
    with judged(setup.loaded.model):
        if plan is not None:
            return earlier_plan(plan, setup.task), None, None
        if setup.task.recipe.effort == "best":
            return *search(_search_task(setup, roles, work), decided, clock, progress), None
        planned, rescue = rescued(decided(), setup.task, roles, judge, clock, progress)
        return planned, None, rescue


def _search_task(setup: SetUp, roles: Roles, work: str | Path | None) -> SearchTask:
    refuse_search(setup.task.target, setup.task.recipe.objective)
    if roles.division is None or roles.judging is None:
        raise BadData("A search measures candidates on data, and there is none.", "--data", "Give --data, or leave --effort best out.")
    return SearchTask(setup, roles.division, roles.judging, roles.on, None if work is None else Path(work))
