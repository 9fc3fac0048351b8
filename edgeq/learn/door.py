"""What needs torch and is asked for by name: learning, and a solver of codebooks."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgeq.data.held_out import Division, learning_part
from edgeq.errors import BadData, MissingExtra
from edgeq.metrics.metric import Metric
from edgeq.numerics.clustering import EXACT, Clustering
from edgeq.progress import Clock, Progress
from edgeq.refine.draft import Draft
from edgeq.schema.codebook import Solver
from edgeq.schema.task import Planned, Step, Task

RECONSTRUCTION, STEP = "reconstruction", "fine-tuning"


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint files of a training run."""

    #: file that receives the state after every epoch; None: no checkpoint is written
    keep: Path | None = None
    #: checkpoint to continue from; None: training starts anew
    resume: Path | None = None


def require_torch() -> None:
    """Raise MissingExtra when torch is not installed."""
    if find_spec("torch") is None:
        fix = "Install it with: pip install 'edgeq[learn]'; or leave fine-tuning out."
        raise MissingExtra("Fine-tuning needs torch, which is not installed.", "finetune", fix)


def clustering_of(solver: Solver) -> Clustering:
    """Who finds the first tables of codebooks. Raises MissingExtra where its package is missing."""
    if solver == "exact":
        return EXACT
    # psutil: the package imports it without asking for it
    missing = [name for name in ("torch", "fast_pytorch_kmeans", "psutil") if find_spec(name) is None]
    if missing:
        what = f"The solver {solver} of codebooks needs {' and '.join(missing)}, which Python does not find."
        fix = "Install it with: pip install 'edgeq[learn]'; or leave the solver out, which finds the optimum."
        raise MissingExtra(what, "codebook.solver", fix)
    from edgeq.learn.torch_kmeans import clustering

    return clustering()


def check_learning(task: Task, data: Division | None) -> None:
    """Say before a plan is made what would keep the training that the recipe requests from running.

    Raises MissingExtra, BadData, UnsupportedOp.
    """
    tuning = task.recipe.finetune
    if not tuning.wanted:
        return
    require_torch()
    if data is None:
        raise BadData("There is no data to train on.", "--data", "Give data.")
    from edgeq.learn.training.ready import check_ready

    check_ready(task.model, data.whole, tuning)


def fine_tuned(
    task: Task,
    planned: Planned,
    data: Division | None,
    clock: Clock,
    progress: Progress,
    checkpoint: Checkpoint,
    metric: Metric | None = None,
) -> Planned:
    """The plan after reconstruction and fine-tuning, as far as the recipe requests them.

    metric: of the user's own, which chooses the epoch; None: the loss of held-out samples does.
    check_learning has said that they can run. Each of the two adds an entry to the steps of the
    result. Raises what edgeq.learn.training.finetune.fine_tune raises.
    """
    if not task.recipe.finetune.wanted:
        return planned
    assert data is not None
    from edgeq.learn.training.finetune import fine_tune
    from edgeq.learn.training.reconstruct import reconstruct

    plan, tuning = planned.plan, task.recipe.finetune
    steps, training = planned.steps or (Step("the plan", plan),), None
    if tuning.reconstruct != "none":
        with clock.stage("finetune"):
            plan = reconstruct(Draft.of(task, plan), learning_part(data.whole) if tuning.trains else data.fitted, progress)
        steps = (*steps, Step(RECONSTRUCTION, plan))
    if tuning.trains:
        with clock.stage("finetune"):
            kept = checkpoint.keep, checkpoint.resume
            plan, training = fine_tune(Draft.of(task, plan), data.whole, progress, metric=metric, keep=kept[0], resume=kept[1])
        steps = (*steps, Step(STEP, plan))
    return Planned(plan, plan, steps, training=training)
