"""Choose between two range rules where no sample is held out: each half judges the other's ranges.

Of fewer than 20 samples none is held out. They tell little about numbers beyond those that were
seen, and rule mse takes rare ones for outliers; but ranges that hold all samples would be chosen by
those samples in any case. So ranges are made from one half by either rule, and judged on the other,
both ways.
"""

from __future__ import annotations

from dataclasses import replace

from edgeq.data.dataset import Dataset
from edgeq.data.held_out import halves_of
from edgeq.progress import Progress
from edgeq.refine.first_steps import Measured, Refining, planned_by, seen
from edgeq.refine.gate import Gate
from edgeq.schema.task import Task

#: runs of the data below which a half says nothing
LEAST_RUNS = 4
#: the runs of the data take turns between them
HALVES = 2


def needs_halves(task: Task, data: Dataset) -> bool:
    """Whether halves of the data choose between two rules, if anything judges.

    They do not for another rule than mse, and for fewer runs than LEAST_RUNS.
    """
    return task.recipe.rule == "mse" and not task.target.activations.power_of_two and data.runs >= LEAST_RUNS


def ranged_by_halves(start: Refining, gate: Gate, data: Dataset, progress: Progress) -> Refining:
    """The draft, with the whole observed ranges where both halves together see no use in clipping.

    Unchanged where nothing judges, and where the data is not divided (see needs_halves). The halves
    were observed in the first pass, unless the statistics are of an earlier run.
    """
    draft = start.draft
    if not gate.measures or not needs_halves(draft.task, data):
        return start
    first, second = halves_of(data)
    halves = start.measured.apart
    if len(halves) != HALVES:
        with gate.clock.stage("calibrate"):
            halves = tuple(seen(draft.task, data, progress, Measured(HALVES)))
    worst_db = mean_db = 0.0
    for statistics, other in zip(halves, (second, first), strict=True):
        clipped, wide = (planned_by(start, rule, statistics) for rule in ("mse", "minmax"))
        gains = gate.gains(wide, clipped, other)
        worst_db, mean_db = worst_db + gains[0], mean_db + gains[1]
    if min(worst_db, mean_db) <= 0:
        return start
    plan = planned_by(start, "minmax")
    gate.add("ranges (minmax)", plan)
    return replace(start, draft=draft.with_plan(plan), rule="minmax")
