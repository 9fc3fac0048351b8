"""The training loop: epochs with validation, the best state kept, checkpoints to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from edgeq.errors import BadCheckpoint, BadTraining
from edgeq.learn.deterministic import THREADS, deterministic
from edgeq.learn.training.checkpoint import Identity, State, load_checkpoint, save_checkpoint
from edgeq.learn.training.grade import Grade, best_of, is_better
from edgeq.progress import Progress
from edgeq.runtimes.ort import runtime_version

#: a batch, which the loop only passes on
B = TypeVar("B")

#: share of the learning rate that remains at the end of the cosine
FINAL_RATE = 0.01


def cosine(first: float, last: float, done: float, of: float = 1.0) -> float:
    """Half a period of a cosine, from `first` at done = 0 to `last` at done = `of`."""
    return last + (first - last) * ((1 + math.cos(math.pi * done / of)) / 2)


@dataclass(frozen=True)
class Schedule:
    """How long to train, and at which learning rate."""

    #: the largest number of epochs
    epochs: int
    #: the learning rate at the start
    rate: float = 1e-4
    #: number of epochs without a better score after which training stops early
    patience: int = 10
    seed: int = 0

    def rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch: a cosine from `rate` to FINAL_RATE * `rate`.

        Loshchilov and Hutter, arXiv:1608.03983, without restarts.
        """
        return self.rate * cosine(1.0, FINAL_RATE, epoch, max(1, self.epochs))


@dataclass(frozen=True, eq=False)
class Lesson(Generic[B]):
    """What is learned, from which data, and how it is measured."""

    #: the module whose parameters are trained
    student: nn.Module
    #: number of an epoch -> its batches; they depend on nothing else, so that a resumed run sees
    #: the same ones
    batches: Callable[[int], Iterable[B]]
    #: the differentiable loss of one batch
    loss: Callable[[B], Tensor]
    #: the score of the student on samples that are never in a batch; lower is better
    score: Callable[[], float]
    #: the parts of a batch, whose losses add up to that of the batch; None: it is one part
    parts: Callable[[B], Iterable[B]] | None = None
    #: called after every step to update what depends on the parameters without a gradient
    settle: Callable[[], None] | None = None
    #: what chooses the epoch; None: the score does
    grade: Grade | None = None

    def backward(self, batch: B) -> float:
        """Add the gradients of a batch to those of the parameters, and return its loss."""
        total = 0.0
        for part in (batch,) if self.parts is None else self.parts(batch):
            loss = self.loss(part)
            total += float(loss.detach())
            if not math.isfinite(total):
                break
            torch.autograd.backward(loss)
        return total


def train(
    lesson: Lesson[B], schedule: Schedule, identity: Identity, progress: Progress, *, keep: Path | None = None, resume: Path | None = None
) -> State:
    """Train, and leave the student with the parameters that scored best, the start included.

    keep: checkpoint that is replaced after every epoch. resume: checkpoint to continue from; the
    result is the same as without the interruption. Raises BadTraining (loss not finite) and
    BadCheckpoint.
    """
    identity = run_identity(identity, schedule)
    optimizer = torch.optim.Adam(lesson.student.parameters(), lr=schedule.rate)
    with deterministic():
        state = _start(lesson, optimizer) if resume is None else load_checkpoint(resume, identity)
        _continue_from(state, lesson, optimizer, resume)
        progress.start("train", schedule.epochs)
        progress.advance(state.epoch)
        while state.epoch < schedule.epochs and state.stale < schedule.patience:
            # random operations such as dropout draw from torch's generator: with this, its state
            # depends on seed and epoch alone, too
            torch.manual_seed(schedule.seed * 1_000_003 + state.epoch)
            state = _epoch(lesson, schedule, optimizer, state)
            if keep is not None:
                save_checkpoint(keep, state, identity)
            progress.advance()
            progress.note(_line(state, schedule, lesson.grade))
    lesson.student.load_state_dict(state.best)
    return state


def _continue_from(state: State, lesson: Lesson[B], optimizer: torch.optim.Optimizer, resume: Path | None) -> None:
    """Give student and optimizer the state. Raises BadCheckpoint for one that does not fit them."""
    try:
        lesson.student.load_state_dict(state.parameters)
        optimizer.load_state_dict(state.optimizer)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        if resume is None:
            raise
        fix = "Leave --resume out to start again."
        raise BadCheckpoint("The checkpoint is damaged: its tensors do not fit the model", str(resume), fix) from error


def run_identity(identity: Identity, schedule: Schedule) -> Identity:
    """The identity with all else that the result depends on: schedule, versions, threads."""
    torch_now = f"torch {torch.__version__}, {THREADS} threads"
    settings = f"{identity.settings}; {schedule}; {torch_now}; onnxruntime {runtime_version()}"
    return replace(identity, settings=settings, epochs=schedule.epochs)


def _start(lesson: Lesson[B], optimizer: torch.optim.Optimizer) -> State:
    (score, grade), parameters = _score(lesson), _copy(lesson.student)
    return State(0, parameters, optimizer.state_dict(), parameters, 0, score, score, 0, start_grade=grade, best_grade=grade)


def _epoch(lesson: Lesson[B], schedule: Schedule, optimizer: torch.optim.Optimizer, before: State) -> State:
    began, losses, rate = time.monotonic(), [], schedule.rate_at(before.epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    lesson.student.train()
    for batch in lesson.batches(before.epoch):
        optimizer.zero_grad()
        losses.append(lesson.backward(batch))
        if not math.isfinite(losses[-1]):
            what = f"The loss of epoch {before.epoch + 1} is {losses[-1]}."
            raise BadTraining(what, f"learning rate {rate:g}", "Choose a lower learning rate, or look for NaN in the data.")
        optimizer.step()
        if lesson.settle is not None:
            lesson.settle()
    score, grade = _score(lesson)
    parameters, better, epoch = _copy(lesson.student), is_better((score, grade), before, lesson.grade), before.epoch + 1
    return State(
        epoch,
        parameters,
        optimizer.state_dict(),
        best=parameters if better else before.best,
        best_epoch=epoch if better else before.best_epoch,
        best_score=score if better else before.best_score,
        start_score=before.start_score,
        stale=0 if better else before.stale + 1,
        losses=(*before.losses, sum(losses) / max(1, len(losses))),
        scores=(*before.scores, score),
        seconds=before.seconds + time.monotonic() - began,
        start_grade=before.start_grade,
        best_grade=grade if better else before.best_grade,
        grades=before.grades if grade is None else (*before.grades, grade),
    )


def _score(lesson: Lesson[B]) -> tuple[float, float | None]:
    """The score, and the grade where there is one."""
    lesson.student.eval()
    with torch.no_grad():
        score = lesson.score()
    return score, None if lesson.grade is None else lesson.grade.value()


def _line(state: State, schedule: Schedule, grade: Grade | None) -> str:
    left = state.seconds / state.epoch * (schedule.epochs - state.epoch)
    rate = schedule.rate_at(state.epoch - 1)
    return f"epoch {state.epoch}: loss {state.losses[-1]:.5g}, rate {rate:.3g}, {best_of(state, grade)}, {left:.0f} s left"


def _copy(student: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in student.state_dict().items()}
