"""The step from a closed-form plan to a learned one: checks that torch is there, hands the forms of the model to edgeq.learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import onnx_ir as ir

from edgeq.clock import Clock
from edgeq.data_stream import Dataset
from edgeq.errors import BadData, BadRecipe, MissingExtra
from edgeq.held_out import learning_part
from edgeq.palettize import F32, Tune
from edgeq.passes.fold_codebooks import Storage
from edgeq.pipeline import in_floats, with_quantizers
from edgeq.plan import Plan
from edgeq.planning import Planned, Task
from edgeq.progress import Progress
from edgeq.recipe import Recipe

RECONSTRUCTION, STEP = "reconstruction", "fine-tuning"


@dataclass(frozen=True)
class Checkpoint:
    """keep: where the state is written after every epoch; resume: what to go on from."""

    keep: Path | None = None
    resume: Path | None = None


def require_torch() -> None:
    """Raises MissingExtra when torch is not there."""
    if find_spec("torch") is None:
        mend = "Install it with: pip install 'edgeq[learn]'; or leave fine-tuning out."
        raise MissingExtra("Fine-tuning needs torch, which is not installed.", "finetune", mend)


def fine_tuned(task: Task, planned: Planned, data: Dataset | None, clock: Clock, watcher: Progress, checkpoint: Checkpoint) -> Planned:
    """The plan, trained as the recipe says; as it is when the recipe does not want that.

    Raises MissingExtra, BadData, and what edgeq.learn.finetune.fine_tune raises.
    """
    if not task.recipe.finetune.wanted:
        return planned
    require_torch()
    if data is None:
        raise BadData("There is no data to train on.", "--data", "Give data.")
    from edgeq.learn.finetune import Starting, fine_tune
    from edgeq.learn.reconstruct import reconstruct

    def start(plan: Plan) -> Starting:
        return Starting(in_floats(task.model, plan), with_quantizers(task.model, plan, task.target), plan, task.target)

    plan, wish = planned.plan, task.recipe.finetune
    steps = planned.steps or (("the plan", plan),)
    if wish.reconstruct != "none":
        with clock.stage("finetune"):
            plan = reconstruct(start(plan), learning_part(data) if wish.trains else data, task.recipe, watcher)
        steps = (*steps, (RECONSTRUCTION, plan))
    if wish.trains:
        with clock.stage("finetune"):
            plan = fine_tune(start(plan), data, task.recipe, watcher, keep=checkpoint.keep, resume=checkpoint.resume)
        steps = (*steps, (STEP, plan))
    return replace(planned, plan=plan, steps=steps)


def tuned_tables(model_hash: str, data: Dataset, recipe: Recipe, watcher: Progress, checkpoint: Checkpoint) -> Tune:
    """What palettize calls to train tables of floats as the recipe says. Raises MissingExtra and BadRecipe; when called, what
    fine_tune_tables raises."""
    require_torch()
    if recipe.finetune.reconstruct != "none":
        what = "Tables of floats have no codes to round to: there is nothing to reconstruct."
        raise BadRecipe(what, "--reconstruct", "Leave --reconstruct or --compute float out.")

    def tune(plain: ir.Model, tabled: ir.Model, storage: Mapping[str, Storage], weights: Mapping[str, F32]) -> Mapping[str, F32]:
        from edgeq.learn.finetune_tables import Tabled, fine_tune_tables

        start = Tabled(plain, tabled, storage, weights, model_hash)
        return fine_tune_tables(start, data, recipe, watcher, keep=checkpoint.keep, resume=checkpoint.resume)

    return tune
