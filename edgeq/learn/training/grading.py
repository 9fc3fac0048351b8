"""The held-out samples of a training: their loss, and a metric of the user's own on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from edgeq.data.dataset import Dataset, Feeds
from edgeq.learn.training.batches import held_out
from edgeq.metrics.metric import Metric
from edgeq.metrics.open import running_of
from edgeq.metrics.running import Judged, Running
from edgeq.numerics.arrays import AnyArray

#: the outputs of a model for a batch, by name
Answers = Callable[[Feeds], dict[str, Tensor]]


class HeldOut:
    """Scores a student on the held-out samples, `batch` at a time.

    teacher: the float model; its answers are kept, since it does not change. names: of the outputs,
    in order. metric: of the user's own; None: there is none.
    """

    def __init__(self, data: Dataset, batch: int, teacher: Answers, names: Sequence[str], metric: Metric | None) -> None:
        """Raises BadData for a metric that needs labels where there are none."""
        self._data, self._batch, self._teacher, self._names, self._metric = data, batch, teacher, tuple(names), metric
        self._answers: list[dict[str, Tensor]] = []
        self._running = self._begun()

    def score(self, student: Answers, loss: Callable[[dict[str, Tensor], dict[str, Tensor]], float]) -> float:
        """The mean loss over the samples; `grade` tells the metric afterwards.

        loss: of the student's answers and the teacher's.
        """
        total, count, self._running = 0.0, 0, self._begun()
        for number, (samples, feeds) in enumerate(held_out(self._data, self._batch)):
            if number == len(self._answers):
                self._answers.append(self._teacher(feeds))
            found, wanted = student(feeds), self._answers[number]
            total += loss(found, wanted) * len(samples)
            if not self._added(range(count, count + len(samples)), feeds, found, wanted):
                # the number of rows differs by sample (boxes): one sample at a time, then
                self._batch, self._answers = 1, []
                return self.score(student, loss)
            count += len(samples)
        return total / count

    def grade(self) -> float:
        """The metric of the student that was scored last. Raises BadMetric where it fails."""
        assert self._running is not None  # asked for where there is a metric
        return self._running.values()[1]

    def _begun(self) -> Running | None:
        if self._metric is None:
            return None
        labels = self._data.labels
        if labels is not None:  # in the order in which the samples come
            labels = labels[[index for samples, _ in held_out(self._data, self._batch) for index in samples]]
        return running_of(self._metric, Judged(self._data.name, labels, self._names, self._data.inputs[0].name))

    def _added(self, samples: range, feeds: Feeds, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
        """Add a batch to the metric. False: it needs smaller ones."""
        if self._running is None:
            return True
        teacher, student = ([one[name].numpy() for name in self._names] for one in (wanted, found))
        return self._running.add(_Batch(samples, feeds), teacher, student) or self._batch == 1


@dataclass(frozen=True)
class _Batch:
    """One batch of held-out samples."""

    #: their places among the held-out samples
    samples: range
    #: input name -> array
    feeds: Mapping[str, AnyArray]
