"""Distillation: a student learns the outputs and the inner values of its float teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import ParameterList

from edgeq.data.dataset import Dataset, Feeds
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.training.batches import blended, held_out, training_batches
from edgeq.learn.training.distill import Loss, choose_loss, distance, with_labels
from edgeq.learn.training.training import Lesson
from edgeq.schema.finetune import FineTuneWish

#: factor of the loss of the inner values, relative to that of the outputs
INSIDE = 1.0
#: smallest variance by which an error is divided, for values that do not vary
SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Material:
    """One batch of training data."""

    #: input name -> samples
    feeds: dict[str, Tensor]
    #: value name -> the teacher's answer to them
    wanted: dict[str, Tensor]
    #: the labels of the samples; None: labels are not used
    labels: Tensor | None


class Student(Protocol):
    """A model that learns. `mean_bits` is the average number of bits of its weights."""

    #: its parameters
    learnable: ParameterList
    #: name of a value in the teacher -> its name in the student
    inner: dict[str, str]

    @property
    def mean_bits(self) -> float: ...

    def forward(self, feeds: Mapping[str, Tensor], want: Sequence[str] = ()) -> dict[str, Tensor]: ...

    def refit(self) -> None: ...


class Distillation:
    """Training of a student against its teacher, the same model in float.

    The error of each inner value is divided by the variance of the teacher's value.
    """

    def __init__(self, student: Student, teacher: Executor, data: Dataset, tuning: FineTuneWish, seed: int) -> None:
        self.student, self.teacher, self.data, self.tuning, self.seed = student, teacher, data, tuning, seed
        inside = {name: read for name, read in student.inner.items() if name in teacher.made and name not in teacher.outputs}
        self.inside = inside
        self.losses: dict[str, Loss] = {}
        self.spread: dict[str, Tensor] = {}
        self.answers: list[dict[str, Tensor]] = []

    def lesson(self) -> Lesson[Material]:
        """The lesson for the training loop. Raises BadData when there are too few samples."""
        self._look()
        return Lesson(self.student.learnable, self.batches, self.loss, self.score, self.student.refit)

    def _look(self) -> None:
        """Choose losses and measure the variances on the teacher's answers to held-out data."""
        with torch.no_grad():
            feeds = next(held_out(self.data, self.tuning.batch))[1]
            answers = self.teacher.forward(as_tensors(feeds), tuple(self.inside))
        self.losses = {name: choose_loss(answers[name], classifies=False) for name in self.teacher.outputs}
        self.spread = {name: answers[name].var(unbiased=False).clamp_min(SMALLEST) for name in self.inside}

    def batches(self, epoch: int) -> Iterator[Material]:
        """The batches of an epoch, which depend on seed and epoch alone."""
        chance = np.random.default_rng([self.seed, epoch, 1])
        labels = None if self.data.labels is None or not self.tuning.labels else torch.from_numpy(np.array(self.data.labels))
        for samples, feeds in training_batches(self.data, self.tuning.batch, seed=self.seed, epoch=epoch):
            given = as_tensors(feeds if labels is not None else blended(feeds, self.tuning.mix, chance))
            with torch.no_grad():
                wanted = self.teacher.forward(given, tuple(self.inside))
            yield Material(given, wanted, None if labels is None else labels[list(samples)])

    def loss(self, batch: Material) -> Tensor:
        """Mean loss of the outputs, mixed with labels, plus INSIDE * mean loss of inner values."""
        found = self.student.forward(batch.feeds, tuple(self.inside.values()))
        total = self._outputs(found, batch.wanted)
        if batch.labels is not None:
            first = self.teacher.outputs[0]
            total = with_labels(total, found[first], batch.labels, self.losses[first], self.tuning.labels)
        return total + self._inner(found, batch.wanted)

    def score(self) -> float:
        """The loss of the outputs on the held-out samples, without labels."""
        total, count = 0.0, 0
        for number, (samples, feeds) in enumerate(held_out(self.data, self.tuning.batch)):
            given = as_tensors(feeds)
            if number == len(self.answers):  # the teacher does not change: its answers are kept
                self.answers.append(self.teacher.forward(given))
            total += float(self._outputs(self.student.forward(given), self.answers[number])) * len(samples)
            count += len(samples)
        return total / count

    def _inner(self, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        each = [(found[read] - wanted[name]).square().mean() / self.spread[name] for name, read in self.inside.items()]
        return INSIDE * torch.stack(each).mean() if each else torch.zeros(())

    def _outputs(self, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        each = [distance(found[name], wanted[name], self.losses[name]) for name in self.teacher.outputs]
        return torch.stack(each).mean()


def as_tensors(feeds: Feeds) -> dict[str, Tensor]:
    """The feeds as torch tensors, which share no memory with them."""
    return {name: torch.from_numpy(np.array(array)) for name, array in feeds.items()}
