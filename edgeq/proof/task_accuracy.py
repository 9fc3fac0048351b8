"""Task metric of both models, summed batch by batch.

It is the accuracy against labels, or the reconstruction error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from edgeq.calibration.known_outputs import Feed
from edgeq.errors import BadData
from edgeq.numerics.arrays import AnyArray, Ints
from edgeq.numerics.fidelity import looks_like_scores

#: top1: share of samples whose arg-max is the label. mse: mean squared difference between the first
#: output and the first input (autoencoders).
Metric = Literal["top1", "mse"]
Number = float  # for classes that have a field named float


@dataclass(frozen=True)
class Accuracy:
    """The task metric of both models."""

    #: top1: 0..1, higher is better; mse: lower is better
    metric: str
    #: of the float model
    float: Number
    #: of the int8 model
    int8: Number


class Samples(Protocol):
    """What a comparison needs of a data set; edgeq.data.dataset.Dataset is one."""

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def labels(self) -> Ints | None: ...

    @property
    def metric(self) -> str | None: ...

    def batches(self, batch: int) -> Iterator[Feed]: ...


class TaskSums:
    """Running task metric of both models, computed on the first output."""

    def __init__(self, metric: str, labels: Ints | None, where: str) -> None:
        self.metric, self.labels, self.where = metric, labels, where
        self.total = np.zeros(2)
        self.count = 0

    @classmethod
    def of(cls, dataset: Samples) -> TaskSums | None:
        """The running sums for this data; None: it has no metric.

        Raises BadData for an unknown metric, and for top1 without labels.
        """
        chosen = dataset.metric
        if chosen is None:
            return None
        if chosen not in ("top1", "mse"):
            raise BadData(f"There is no metric named {chosen!r}.", dataset.name, "Use top1 or mse.")
        if chosen == "top1" and dataset.labels is None:
            raise BadData("The metric top1 needs labels.", dataset.name, "Add labels to the data, or leave the metric out.")
        return cls(chosen, dataset.labels, dataset.name)

    def add(self, piece: Feed, first_input: str, reference: AnyArray, other: AnyArray) -> None:
        """Add one batch: the first output of the float model and of the int8 model.

        Raises BadData when it does not fit the metric.
        """
        if self.metric == "mse":
            source = np.asarray(piece.feeds[first_input], np.float64)
            self._same(source.shape == reference.shape, "mse compares the first output with the first input, but their shapes differ.")
            self.total += [float(np.square(source - result).sum()) for result in (reference, other)]
            self.count += source.size
            return
        fits = looks_like_scores(reference) and len(reference) == len(piece.samples)
        self._same(fits, f"top1 needs one row of class scores per sample, but the first output is {list(reference.shape)}.")
        assert self.labels is not None  # TaskSums.of refuses top1 without labels
        truth = self.labels[piece.samples.start : piece.samples.stop]
        self.total += [float((result.argmax(-1) == truth).sum()) for result in (reference, other)]
        self.count += len(truth)

    def _same(self, holds: bool, what: str) -> None:
        if not holds:
            raise BadData(what, self.where, "Choose another metric in the set.toml, or use data without labels.")

    def accuracy(self) -> Accuracy:
        """The metric over all batches so far."""
        reference, other = self.total / max(self.count, 1)
        return Accuracy(self.metric, float(reference), float(other))
