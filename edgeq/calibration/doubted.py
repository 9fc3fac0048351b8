"""Doubts about what a run calibrates with: the data, or statistics that are left of it."""

from __future__ import annotations

from edgeq.calibration.statistics_file import Statistics
from edgeq.data.constant_values import constant_doubts
from edgeq.data.dataset import Dataset
from edgeq.data.doubts import DataDoubts, Doubt, check_data, made_up, refuse_doubts, single_sample
from edgeq.progress import Progress
from edgeq.schema.plan import Plan
from edgeq.schema.task import Task


def doubted(
    data: Dataset | None, known: Statistics | None, task: Task, plan: Plan | None, policy: DataDoubts, progress: Progress
) -> tuple[Doubt, ...]:
    """The doubts before the work.

    known: statistics of the data. plan: of an earlier run; to repeat it calibrates nothing, so that
    no doubt ends the run, unless it trains. Raises BadData for doubts that the policy refuses.
    """
    if plan is not None and not task.recipe.finetune.trains and policy == "refuse":
        policy = "accept"
    if data is not None:
        return check_data(data, task.model, policy, progress)
    found = made_up(known=known is not None and known.made_up)
    found += (single_sample(1),) if known is not None and len(known.samples) == 1 else ()
    refuse_doubts(found, "the statistics", policy)
    return found


def doubted_values(data: Dataset | None, task: Task, plan: Plan, policy: DataDoubts) -> tuple[Doubt, ...]:
    """Doubts about values that were constant, which are known once there is a plan.

    Raises BadData with the policy strict.
    """
    found = constant_doubts(task.model, plan.constants, data, integer_only=task.target.integer_only)
    refuse_doubts(found, "the data" if data is None else data.name, policy)
    return found
