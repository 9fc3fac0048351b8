"""The step from a closed-form plan to a learned one: checks that torch is there, hands the forms of
the model to edgeq.learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgeq.data.dataset import Dataset
from edgeq.data.held_out import learning_part
from edgeq.errors import BadData, MissingExtra
from edgeq.progress import Clock, Progress
from edgeq.refine.draft import Draft
from edgeq.schema.task import Planned, Task

RECONSTRUCTION, STEP = "reconstruction", "fine-tuning"


@dataclass(frozen=True)
class Checkpoint:
    """keep: where the state is written after every epoch; resume: what to go on from."""

    keep: Path | None = None
    resume: Path | None = None


def require_torch() -> None:
    """Raises MissingExtra when torch is not there."""
    if find_spec("torch") is None:
        fix = "Install it with: pip install 'edgeq[learn]'; or leave fine-tuning out."
        raise MissingExtra("Fine-tuning needs torch, which is not installed.", "finetune", fix)


def fine_tuned(task: Task, planned: Planned, data: Dataset | None, clock: Clock, progress: Progress, checkpoint: Checkpoint) -> Planned:
    """The plan, trained as the recipe says; as it is when the recipe does not want that.

    Raises MissingExtra, BadData, and what edgeq.learn.training.finetune.fine_tune raises.
    """
    if not task.recipe.finetune.wanted:
        return planned
    require_torch()
    if data is None:
        raise BadData("There is no data to train on.", "--data", "Give data.")
    from edgeq.learn.training.finetune import fine_tune
    from edgeq.learn.training.reconstruct import reconstruct

    plan, wish = planned.plan, task.recipe.finetune
    steps = planned.steps or (("the plan", plan),)
    if wish.reconstruct != "none":
        with clock.stage("finetune"):
            plan = reconstruct(Draft.of(task, plan), learning_part(data) if wish.trains else data, progress)
        steps = (*steps, (RECONSTRUCTION, plan))
    if wish.trains:
        with clock.stage("finetune"):
            plan = fine_tune(Draft.of(task, plan), data, progress, keep=checkpoint.keep, resume=checkpoint.resume)
        steps = (*steps, (STEP, plan))
    return Planned(plan, plan, steps)
