"""The training loop: epochs over batches, a validation after each, the best state kept, and a
checkpoint to go on from.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from edgeq.errors import BadTraining
from edgeq.learn.training.checkpoint import Identity, State, load_checkpoint, save_checkpoint
from edgeq.progress import Progress
from edgeq.runtimes.ort import runtime_version

B = TypeVar("B")  # a batch: the loop only hands it on

FINAL_RATE = 0.01  # share of the learning rate that is left at the end of the cosine


def cosine(first: float, last: float, done: float, of: float = 1.0) -> float:
    """From first, where nothing is done, along half a period to last, where done is `of`."""
    return last + (first - last) * ((1 + math.cos(math.pi * done / of)) / 2)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. patience: epochs without a better score before training stops
    early.
    """

    epochs: int
    rate: float = 1e-4
    patience: int = 10
    seed: int = 0

    def rate_at(self, epoch: int) -> float:
        """Cosine from rate to FINAL_RATE of it (Loshchilov and Hutter, arXiv:1608.03983, one
        period).
        """
        return self.rate * cosine(1.0, FINAL_RATE, epoch, max(1, self.epochs))


@dataclass(frozen=True, eq=False)
class Lesson(Generic[B]):
    """What is learned. batches: those of an epoch, from its number and nothing else, so that a
    resumed run sees the same ones.

    loss: of one batch, differentiable. score: of the student as it is, on samples that batches
    never gives; lower is better. settle: called after every step, for what follows from the
    parameters without a gradient.
    """

    student: nn.Module
    batches: Callable[[int], Iterable[B]]
    loss: Callable[[B], Tensor]
    score: Callable[[], float]
    settle: Callable[[], None] | None = None


def train(
    lesson: Lesson[B], schedule: Schedule, identity: Identity, progress: Progress, *, keep: Path | None = None, resume: Path | None = None
) -> State:
    """Train; leave the student with its best parameters, which are those of the start when nothing
    scored better.

    keep: checkpoint, replaced after every epoch. resume: goes on from it; the end is the same as
    without the break. Raises BadTraining (loss not finite) and BadCheckpoint.
    """
    identity = run_identity(identity, schedule)
    optimizer = torch.optim.Adam(lesson.student.parameters(), lr=schedule.rate)
    with deterministic():
        state = _start(lesson, optimizer) if resume is None else load_checkpoint(resume, identity)
        lesson.student.load_state_dict(state.parameters)
        optimizer.load_state_dict(state.optimizer)
        progress.start("train", schedule.epochs)
        progress.advance(state.epoch)
        while state.epoch < schedule.epochs and state.stale < schedule.patience:
            # dropout and the like draw from torch's generator: its state hangs on the epoch alone,
            # too
            torch.manual_seed(schedule.seed * 1_000_003 + state.epoch)
            state = _epoch(lesson, schedule, optimizer, state)
            if keep is not None:
                save_checkpoint(keep, state, identity)
            progress.advance()
            progress.note(_line(state, schedule))
    lesson.student.load_state_dict(state.best)
    return state


def run_identity(identity: Identity, schedule: Schedule) -> Identity:
    """With what else the bytes of the result depend on: the schedule, versions, and torch's
    threads, which share out sums.
    """
    torch_now = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    settings = f"{identity.settings}; {schedule}; {torch_now}; onnxruntime {runtime_version()}"
    return replace(identity, settings=settings, epochs=schedule.epochs)


def _start(lesson: Lesson[B], optimizer: torch.optim.Optimizer) -> State:
    score, parameters = _score(lesson), _copy(lesson.student)
    return State(0, parameters, optimizer.state_dict(), parameters, 0, score, score, 0)


def _epoch(lesson: Lesson[B], schedule: Schedule, optimizer: torch.optim.Optimizer, before: State) -> State:
    began, losses, rate = time.monotonic(), [], schedule.rate_at(before.epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    lesson.student.train()
    for batch in lesson.batches(before.epoch):
        optimizer.zero_grad()
        loss = lesson.loss(batch)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            what = f"The loss of epoch {before.epoch + 1} is {losses[-1]}."
            raise BadTraining(what, f"learning rate {rate:g}", "Choose a lower learning rate, or look for NaN in the data.")
        torch.autograd.backward(loss)
        optimizer.step()
        if lesson.settle is not None:
            lesson.settle()
    score = _score(lesson)
    parameters, better, epoch = _copy(lesson.student), score < before.best_score, before.epoch + 1
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
        seconds=before.seconds + time.monotonic() - began,
    )


def _score(lesson: Lesson[B]) -> float:
    lesson.student.eval()
    with torch.no_grad():
        return lesson.score()


def _line(state: State, schedule: Schedule) -> str:
    left = state.seconds / state.epoch * (schedule.epochs - state.epoch)
    score = f"best score {state.best_score:.5g} of epoch {state.best_epoch}, {state.start_score:.5g} at the start"
    return f"epoch {state.epoch}: loss {state.losses[-1]:.5g}, rate {schedule.rate_at(state.epoch - 1):.3g}, {score}, {left:.0f} s left"


def _copy(student: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in student.state_dict().items()}


@contextmanager
def deterministic() -> Iterator[None]:
    """Only algorithms that repeat bit for bit, for the time of training; the caller's setting and
    generator come back.
    """
    before, generator = torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_rng_state(generator)
