"""Effort best: measure candidates, starting from the default plan, and return the best plan.

It ends when nothing is left to try or the minutes are over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic

from edgeq.data.dataset import Dataset
from edgeq.data.held_out import Division
from edgeq.errors import BadOutput
from edgeq.metrics.identity import judged_by
from edgeq.progress import Clock, Progress
from edgeq.refine.draft import Draft
from edgeq.rewrite.carry_out import size_as_written
from edgeq.rewrite.set_up import SetUp
from edgeq.runtimes.ort import runtime_version
from edgeq.schema.hold_out import JudgedOn
from edgeq.schema.plan import Plan, load_plan
from edgeq.schema.task import Planned, Step, Task
from edgeq.search.ahead import Ahead
from edgeq.search.book import BEST_PLAN, Book
from edgeq.search.builder import Builder
from edgeq.search.candidates import DEFAULT, Candidate
from edgeq.search.journal import Journal
from edgeq.search.measures import Measures
from edgeq.search.repair import repair
from edgeq.search.strategies import as_fast_as_float, fastest, finals, smallest
from edgeq.search.trials import OutOfTime, Trials
from edgeq.search.verdict import Search, beaten, choices, why
from edgeq.version import __version__

#: files in the folder of a search: the plan that it started with, finished and before its biases
#: were corrected
DEFAULT_PLAN, DRAFT_PLAN = "default.plan.json", "draft.plan.json"


@dataclass(frozen=True, eq=False)
class SearchTask:
    """What to search for."""

    setup: SetUp
    #: calibration data
    data: Division
    #: the data that candidates are measured on
    validation: Dataset
    #: what that data is to the candidates
    on: JudgedOn
    #: folder of the journal; None: it is not written
    work: Path | None

    @property
    def task(self) -> Task:
        """What is planned for."""
        return self.setup.task


def search(search_task: SearchTask, decide: Callable[[], Planned], clock: Clock, progress: Progress) -> tuple[Planned, Search]:
    """The plan of the best candidate, and the report of the search.

    decide: makes the plan to start from; not called if the folder `work` has it. Raises BadOutput
    for a folder that cannot be used or belongs to another search, BadData for floors that the data
    cannot answer.
    """
    recipe, started = search_task.task.recipe, monotonic()
    journal = Journal(search_task.work, identity(search_task))
    planned = _begin(search_task, journal, decide)
    builder = Builder(Draft.of(search_task.task, planned.draft), planned.plan, search_task.data.fitted)
    progress.start("search", None)
    if journal.resumed:
        progress.note(f"continuing the search in {search_task.work}: {len(journal.records)} measurements are there")
    metric = search_task.validation.metric
    book = Book(builder, recipe, search_task.work, journal, progress, metric)
    stops = started + 60 * recipe.minutes
    size = partial(size_as_written, search_task.setup)
    measures = Measures(search_task.setup.loaded.model, builder, search_task.validation, recipe, size)
    trials = Trials(measures, Ahead(search_task.setup, measures), journal, progress, stops, book.add)
    with clock.stage("search"), _kept(book):
        finished = _run(trials, book)
    chosen, points = book.best(), tuple(book.points.values())
    told = Search(
        recipe.objective, search_task.validation.name, search_task.validation.count, search_task.on, len(book.points), finished,
        why(book.goal, chosen, finished), choices(points, chosen, recipe.objective),
        None if metric is None else metric.name, metric is None or metric.share, beaten(points, chosen, recipe.objective),
    )  # fmt: skip
    plan = book.plan(chosen, finished)
    return Planned(plan, planned.draft, (*planned.steps, Step(f"search: {chosen.candidate.name}", plan))), told


def identity(search_task: SearchTask) -> str:
    """sha256 of everything that the measurements in the journal depend on.

    The minutes are left out: a resumed search may get more of them.
    """
    recipe = search_task.task.recipe.with_minutes(1.0)
    parts = [
        __version__, runtime_version(), os.cpu_count(), search_task.task.model_hash, search_task.task.settings, recipe.hash,
        search_task.data.whole.hash, search_task.data.rule, search_task.validation.hash,
        judged_by(search_task.validation.metric, search_task.validation.labels),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _begin(search_task: SearchTask, journal: Journal, decide: Callable[[], Planned]) -> Planned:
    """The plan to start from: read from the folder of an earlier run of this search, or made.

    A plan that was made is saved in the folder.
    """
    default, draft = (_kept_plan(search_task, journal.kept(name)) for name in (DEFAULT_PLAN, DRAFT_PLAN))
    if default is not None and draft is not None:
        return Planned(default, draft)
    planned = decide()
    journal.keep(DRAFT_PLAN, planned.draft.to_json())
    journal.keep(DEFAULT_PLAN, planned.plan.to_json())
    return planned


def _kept_plan(search_task: SearchTask, path: Path | None) -> Plan | None:
    if path is None:
        return None
    plan = load_plan(path)
    if plan.model != search_task.task.model_hash:
        raise BadOutput("The folder holds the plan of another model.", str(path), "Use another folder, or remove this one.")
    return plan


@contextmanager
def _kept(book: Book) -> Iterator[None]:
    """If the user stops the search, tell where the best plan so far is."""
    try:
        yield
    except KeyboardInterrupt:
        if book.work is not None and book.shown is not None:
            book.progress.note(f"the best so far is {book.work / BEST_PLAN}; the same command continues from here")
        raise


def _run(trials: Trials, book: Book) -> bool:
    """Try what the objective asks for; returns whether the search completed."""
    first, finished = trials.judge(Candidate(DEFAULT)), True
    assert first is not None  # the base plan itself
    goal = book.goal
    if goal.objective == "latency":
        as_fast_as_float(replace(trials, stops=float("inf")), goal)
    try:
        if goal.objective == "latency":
            fastest(trials)
        if goal.objective == "size":
            smallest(trials, goal)
        if not goal.holds(book.best()):
            repair(trials, goal)
    except OutOfTime:
        finished = False
    if goal.objective == "latency":
        # a choice by the short timings would be a guess: these few long ones run even after the
        # minutes are over
        finals(replace(trials, stops=float("inf")), goal, tuple(book.points.values()))
    return finished
