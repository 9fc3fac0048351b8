"""Distillation: a student learns the outputs and the inner values of its float teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import ParameterList

from edgeq.data.dataset import Dataset, Feeds
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.training.batches import blended, held_out, training_batches
from edgeq.learn.training.distill import Loss, Moments, choose_loss, distance, moments, variance, with_labels
from edgeq.learn.training.grade import Grade
from edgeq.learn.training.grading import HeldOut
from edgeq.learn.training.training import Lesson
from edgeq.metrics.metric import Metric
from edgeq.schema.finetune import FineTuneWish

#: factor of the loss of the inner values, relative to that of the outputs
INSIDE = 1.0
#: the samples whose values in the teacher take this many bytes are computed at once, one at least:
#: a student's values and their gradients take some six times as much
PART_BYTES = 128 << 20


@dataclass(frozen=True, eq=False)
class Material:
    """Training data: one batch, or a part of one with the teacher's answers."""

    #: input name -> samples
    feeds: dict[str, Tensor]
    #: the labels of the samples; None: labels are not used
    labels: Tensor | None
    #: value name -> the teacher's answer to them; empty for a batch that was not parted yet
    wanted: dict[str, Tensor] = field(default_factory=dict)
    #: output name -> the variance of the teacher's answers over the batch
    spread: dict[str, Tensor] = field(default_factory=dict)
    #: the share of the batch's samples
    share: float = 1.0


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

    def __init__(
        self, student: Student, teacher: Executor, data: Dataset, tuning: FineTuneWish, seed: int, metric: Metric | None = None
    ) -> None:
        """metric: of the user's own, which chooses the epoch; None: the held-out loss does."""
        self.student, self.teacher, self.data, self.tuning, self.seed = student, teacher, data, tuning, seed
        inside = {name: read for name, read in student.inner.items() if name in teacher.made and name not in teacher.outputs}
        self.inside = inside
        self.losses: dict[str, Loss] = {}
        self.spread: dict[str, Tensor] = {}
        self.metric = metric
        #: samples of a part; None: a batch is not parted
        self.together: int | None = None

    def lesson(self) -> Lesson[Material]:
        """The lesson for the training loop. Raises BadData when there are too few samples."""
        self._look()
        held = HeldOut(self.data, self.tuning.batch, lambda feeds: self._whole(self.teacher, feeds), self.teacher.outputs, self.metric)
        score = partial(
            held.score, lambda feeds: self._whole(self.student, feeds), lambda found, wanted: float(self._outputs(found, wanted, {}))
        )
        grade = None if self.metric is None else Grade(self.metric.name, held.grade, self.metric.higher_is_better)
        return Lesson(self.student.learnable, self.batches, self.loss, score, self.parts, self.student.refit, grade)

    def _look(self) -> None:
        """Choose losses and measure the variances on the teacher's answers to held-out data.

        How many samples form a part depends on the size of one sample's values alone.
        """
        with torch.no_grad():
            feeds = as_tensors(next(held_out(self.data, self.tuning.batch))[1])
            if self.data.fixed_batch is None:
                one = self.teacher.forward(_rows(feeds, 0, 1), tuple(self.teacher.made))
                if all(one[name].dim() and len(one[name]) == 1 for name in self.teacher.outputs):
                    self.together = max(1, PART_BYTES // max(1, sum(value.nbytes for value in one.values())))
                del one
            outputs, seen = [], list[dict[str, Moments]]()
            for part in self._split(feeds):
                answers = self.teacher.forward(part, tuple(self.inside))
                outputs.append({name: answers[name] for name in self.teacher.outputs})
                seen.append({name: moments(answers[name]) for name in self.inside})
        self.losses = {name: choose_loss(_joined(outputs, name), classifies=False) for name in self.teacher.outputs}
        self.spread = {name: variance([part[name] for part in seen]) for name in self.inside}

    def _split(self, feeds: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """A batch in parts of `together` samples."""
        count, size = _count(feeds), self.together
        return [feeds] if size is None or count <= size else [_rows(feeds, start, start + size) for start in range(0, count, size)]

    def batches(self, epoch: int) -> Iterator[Material]:
        """The batches of an epoch, which depend on seed and epoch alone."""
        chance = np.random.default_rng([self.seed, epoch, 1])
        labels = None if self.data.labels is None or not self.tuning.labels else torch.from_numpy(np.array(self.data.labels))
        for samples, feeds in training_batches(self.data, self.tuning.batch, seed=self.seed, epoch=epoch):
            given = as_tensors(feeds if labels is not None else blended(feeds, self.tuning.mix, chance))
            yield Material(given, None if labels is None else labels[list(samples)])

    def parts(self, batch: Material) -> Iterator[Material]:
        """The batch in parts, each with the teacher's answers, which nobody keeps."""
        parts = self._split(batch.feeds)
        spread: dict[str, Tensor] = {}
        if len(parts) > 1:
            with torch.no_grad():
                outputs = [self.teacher.forward(part) for part in parts]
            spread = {name: variance([moments(part[name]) for part in outputs]) for name in self.teacher.outputs}
        labels = [batch.labels] * len(parts) if batch.labels is None else torch.split(batch.labels, [_count(part) for part in parts])
        for part, own in zip(parts, labels, strict=True):
            with torch.no_grad():
                wanted = self.teacher.forward(part, tuple(self.inside))
            share = 1.0 if len(parts) == 1 else _count(part) / _count(batch.feeds)
            yield Material(part, own, wanted, spread, share)

    def loss(self, batch: Material) -> Tensor:
        """Mean loss of the outputs, mixed with labels, plus INSIDE * mean loss of inner values."""
        found = self.student.forward(batch.feeds, tuple(self.inside.values()))
        total = self._outputs(found, batch.wanted, batch.spread)
        if batch.labels is not None:
            first = self.teacher.outputs[0]
            total = with_labels(total, found[first], batch.labels, self.losses[first], self.tuning.labels)
        return batch.share * (total + self._inner(found, batch.wanted))

    def _whole(self, model: Student | Executor, feeds: Feeds) -> dict[str, Tensor]:
        """The outputs of a model for a batch, which it is given in parts."""
        found = [model.forward(part) for part in self._split(as_tensors(feeds))]
        return {name: _joined(found, name) for name in self.teacher.outputs}

    def _inner(self, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        each = [(found[read] - wanted[name]).square().mean() / self.spread[name] for name, read in self.inside.items()]
        return INSIDE * torch.stack(each).mean() if each else torch.zeros(())

    def _outputs(self, found: dict[str, Tensor], wanted: dict[str, Tensor], spread: dict[str, Tensor]) -> Tensor:
        each = [distance(found[name], wanted[name], self.losses[name], spread.get(name)) for name in self.teacher.outputs]
        return torch.stack(each).mean()


def as_tensors(feeds: Feeds) -> dict[str, Tensor]:
    """The feeds as torch tensors, which share no memory with them."""
    return {name: torch.from_numpy(np.array(array)) for name, array in feeds.items()}


def _count(feeds: Mapping[str, Tensor]) -> int:
    """The number of samples: axis 0 of every input."""
    return min((len(one) for one in feeds.values() if one.dim()), default=1)


def _rows(feeds: Mapping[str, Tensor], start: int, stop: int) -> dict[str, Tensor]:
    """The samples start..stop-1 of all inputs."""
    return {name: one[start:stop] for name, one in feeds.items()}


def _joined(parts: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    """An output for all samples of a batch."""
    return parts[0][name] if len(parts) == 1 else torch.cat([part[name] for part in parts])
