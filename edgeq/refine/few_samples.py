"""Choose between two range rules where no sample is held out: each half judges the other's ranges.

Of fewer than 20 samples none is held out. They tell little about numbers beyond those that were
seen, and rule mse takes rare ones for outliers; but ranges that hold all samples would be chosen by
those samples in any case. So ranges are made from one half by either rule, and judged on the other,
both ways.
"""

from __future__ import annotations

from dataclasses import replace

from edgeq.calibration.observe import observe
from edgeq.data.dataset import Dataset
from edgeq.data.held_out import halves_of
from edgeq.progress import Progress
from edgeq.refine.first_steps import Refining, planned_by
from edgeq.refine.gate import Gate

#: runs of the data below which a half says nothing
LEAST_RUNS = 4


def ranged_by_halves(start: Refining, gate: Gate, data: Dataset, progress: Progress) -> Refining:
    """The draft, with the whole observed ranges where both halves together see no use in clipping.

    Unchanged where nothing judges, for another rule than mse, and for fewer runs than LEAST_RUNS.
    """
    draft, task = start.draft, start.draft.task
    if not gate.measures or start.rule != "mse" or task.target.activations.power_of_two or data.runs < LEAST_RUNS:
        return start
    first, second = halves_of(data)
    worst_db = mean_db = 0.0
    for seen, other in ((first, second), (second, first)):
        with gate.clock.stage("calibrate"):
            statistics = observe(task.model, list(start.statistics), seen, progress=progress)
        clipped, wide = (planned_by(start, rule, statistics) for rule in ("mse", "minmax"))
        gains = gate.gains(wide, clipped, other)
        worst_db, mean_db = worst_db + gains[0], mean_db + gains[1]
    if min(worst_db, mean_db) <= 0:
        return start
    plan = planned_by(start, "minmax")
    gate.add("ranges (minmax)", plan)
    return replace(start, draft=draft.with_plan(plan), rule="minmax")
