"""What fine-tuning trains: the integers of a plan against the float model, output by output and
value by value inside.
"""

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

INSIDE = 1.0  # weight of the values inside against the outputs
SMALLEST = 1e-12  # keeps the variance of a value that does not vary out of a denominator


@dataclass(frozen=True, eq=False)
class Material:
    """One batch: feeds by input name, what the teacher says to them by value name, and labels where
    they are used.
    """

    feeds: dict[str, Tensor]
    wanted: dict[str, Tensor]
    labels: Tensor | None


class Student(Protocol):
    """A model that learns. learnable: its parameters; inner: value of the teacher -> the name of
    the student's; mean_bits: of a weight.
    """

    learnable: ParameterList
    inner: dict[str, str]

    @property
    def mean_bits(self) -> float: ...

    def forward(self, feeds: Mapping[str, Tensor], want: Sequence[str] = ()) -> dict[str, Tensor]: ...

    def refit(self) -> None: ...


class Distillation:
    """A student of the teacher, the same model in float. Everything is relative to how much a value
    of the teacher varies.
    """

    def __init__(self, student: Student, teacher: Executor, data: Dataset, wish: FineTuneWish, seed: int) -> None:
        self.student, self.teacher, self.data, self.wish, self.seed = student, teacher, data, wish, seed
        inside = {name: read for name, read in student.inner.items() if name in teacher.made and name not in teacher.outputs}
        self.inside = inside
        self.losses: dict[str, Loss] = {}
        self.spread: dict[str, Tensor] = {}
        self.answers: list[dict[str, Tensor]] = []

    def lesson(self) -> Lesson[Material]:
        """What the training loop wants."""
        self._look()
        return Lesson(self.student.learnable, self.batches, self.loss, self.score, self.student.refit)

    def _look(self) -> None:
        """At the teacher's answers to the samples that are held out: what kind of outputs they are,
        how much each value varies.
        """
        with torch.no_grad():
            feeds = next(held_out(self.data, self.wish.batch))[1]
            answers = self.teacher.forward(tensors(feeds), tuple(self.inside))
        self.losses = {name: choose_loss(answers[name], classifies=False) for name in self.teacher.outputs}
        self.spread = {name: answers[name].var(unbiased=False).clamp_min(SMALLEST) for name in self.inside}

    def batches(self, epoch: int) -> Iterator[Material]:
        """Those of an epoch; what is random in them follows from seed and epoch."""
        chance = np.random.default_rng([self.seed, epoch, 1])
        labels = None if self.data.labels is None or not self.wish.labels else torch.from_numpy(np.array(self.data.labels))
        for samples, feeds in training_batches(self.data, self.wish.batch, seed=self.seed, epoch=epoch):
            given = tensors(feeds if labels is not None else blended(feeds, self.wish.mix, chance))
            with torch.no_grad():
                wanted = self.teacher.forward(given, tuple(self.inside))
            yield Material(given, wanted, None if labels is None else labels[list(samples)])

    def loss(self, batch: Material) -> Tensor:
        """Mean over the outputs, with labels mixed in, and INSIDE times the mean over the values
        inside.
        """
        found = self.student.forward(batch.feeds, tuple(self.inside.values()))
        total = self._outputs(found, batch.wanted)
        if batch.labels is not None:
            first = self.teacher.outputs[0]
            total = with_labels(total, found[first], batch.labels, self.losses[first], self.wish.labels)
        return total + self._inner(found, batch.wanted)

    def score(self) -> float:
        """The loss of the outputs on the samples that are held out, without labels."""
        total, count = 0.0, 0
        for number, (samples, feeds) in enumerate(held_out(self.data, self.wish.batch)):
            given = tensors(feeds)
            if number == len(self.answers):  # the teacher answers once: it does not learn
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


def tensors(feeds: Feeds) -> dict[str, Tensor]:
    """Feeds in torch."""
    return {name: torch.from_numpy(np.array(array)) for name, array in feeds.items()}
