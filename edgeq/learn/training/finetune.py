"""Fine-tune a plan: train its weights, scales and biases against the float model."""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path

import numpy as np
import torch

from edgeq.data.dataset import Dataset
from edgeq.data.labels import are_classes
from edgeq.errors import BadData, BadTraining
from edgeq.learn.deterministic import deterministic
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.simulation.simulation import Simulation
from edgeq.learn.training.checkpoint import Identity, State, planned_epochs
from edgeq.learn.training.lesson import Distillation, Material, Student
from edgeq.learn.training.training import Lesson, Schedule, train
from edgeq.metrics.identity import judged_by
from edgeq.metrics.metric import Metric
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.schema.finetune import Training
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe

#: number of steps that are timed to estimate how many epochs fit, after one that is not counted
TIMED_STEPS = 3


def fine_tune(
    draft: Draft,
    data: Dataset,
    progress: Progress,
    *,
    metric: Metric | None = None,
    keep: Path | None = None,
    resume: Path | None = None,
) -> tuple[Plan, Training]:
    """The draft's plan with the weights, scales and biases that were learned, and how it went.

    The recipe decides how long training takes. metric: of the user's own, which chooses the epoch
    on samples that are held out; None: their loss does. keep: checkpoint that is replaced after
    every epoch; resume: checkpoint to continue from. Raises BadData (too few samples, missing
    labels), UnsupportedOp, BadTraining, BadCheckpoint, BadMetric.
    """
    progress.start("prepare training", None)
    recipe = draft.task.recipe
    student = Simulation(draft, refits=recipe.finetune.centroids == "refit")
    hashes = draft.plan.model, draft.plan.hash
    state = trained(student, Executor(draft.model), data, recipe, hashes, progress, metric=metric, keep=keep, resume=resume)
    name, higher = (None, True) if metric is None else (metric.name, metric.higher_is_better)
    losses = state.losses, state.scores, state.start_score, state.best_score, state.best_epoch
    return student.learned(), Training(*losses, name, higher, state.grades, state.start_grade, state.best_grade)


@deterministic()
def trained(
    student: Student,
    teacher: Executor,
    data: Dataset,
    recipe: Recipe,
    hashes: tuple[str, str],
    progress: Progress,
    *,
    metric: Metric | None = None,
    keep: Path | None = None,
    resume: Path | None = None,
) -> State:
    """Train the student in place and return the last state.

    hashes: of the float model, and of the state in which the student starts. Raises what fine_tune
    raises.
    """
    tuning = recipe.finetune
    if not len(student.learnable):
        fix = "Try --prefer integers, or use edgeq quantize; edgeq inspect tells why nothing of the model runs in integers."
        raise BadTraining("There is nothing to train: no weight and no grid of the model is quantized.", "the plan", fix)
    if tuning.labels and (data.labels is None or not are_classes(data.labels)):
        raise BadData("The data has no class labels to train with.", data.name, "Give labelled data, or leave --labels out.")
    lesson = Distillation(student, teacher, data, tuning, recipe.seed, metric).lesson()
    epochs = tuning.epochs or (planned_epochs(resume) if resume is not None else _fitting(lesson, tuning.minutes or 1.0))
    # many steps at a high rate pay off only after the rate has fallen: the last epochs are usually
    # the best, so that by default training does not stop early
    schedule = Schedule(epochs, tuning.rate or rate_for(student.mean_bits), tuning.patience or epochs, recipe.seed)
    judged = "" if metric is None else judged_by(metric, data.labels)
    settings = hashlib.sha256((tuning.model_dump_json(exclude={"epochs", "minutes"}) + judged).encode()).hexdigest()
    state = train(lesson, schedule, Identity(*hashes, data.hash, settings), progress, keep=keep, resume=resume)
    first, last, named = state.start_score, state.best_score, "held-out loss"
    if metric is not None and state.start_grade is not None and state.best_grade is not None:
        first, last, named = state.start_grade, state.best_grade, f"{metric.name} on held-out samples"
    progress.note(f"fine-tuning: {named} {first:.5g} -> {last:.5g}, epoch {state.best_epoch} of {state.epoch} kept")
    return state


def rate_for(bits: float) -> float:
    """Learning rate by average weight width: 0.03 at 2 bits, 0.006 at 4, 0.003 at 8 and above.

    Between these widths the logarithm of the rate is interpolated. Chosen by measurement: at 8 bits
    0.01 lost on a mobilenet what 0.003 kept; on a keyword net, 20 epochs gained most with 0.006 at
    4 bits (0.003 gained nothing, 0.01 less) and with 0.03 at 2 bits.
    """
    return float(np.exp(np.interp(bits, (2.0, 4.0, 8.0), np.log((0.03, 0.006, 0.003)))))


def _fitting(lesson: Lesson[Material], minutes: float) -> int:
    """The number of epochs that fit, estimated from a few timed steps that change no parameter."""
    times: list[float] = []
    steps = 0
    began = time.monotonic()
    for batch in lesson.batches(0):
        if len(times) <= TIMED_STEPS:
            lesson.backward(batch)
            times.append(time.monotonic() - began)
        steps, began = steps + 1, time.monotonic()
    for parameter in lesson.student.parameters():
        parameter.grad = None
    began = time.monotonic()
    with torch.no_grad():
        lesson.score()
    each = min(times[1:] or times) * steps + time.monotonic() - began
    return max(1, math.floor(minutes * 60 / max(each, 1e-9)))
