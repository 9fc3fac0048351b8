"""The running value of a metric for both models, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeq.errors import BadData
from edgeq.numerics.arrays import F64, AnyArray


class Piece(Protocol):
    """One batch, identified by the indices of its samples."""

    @property
    def samples(self) -> range: ...

    @property
    def feeds(self) -> Mapping[str, AnyArray]: ...


class Running(Protocol):
    """A metric over the batches so far."""

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        """Add a batch: all outputs of the float model and of the int8 model.

        Returns False where only batches of one sample can be told apart. Raises BadData when the
        outputs do not fit the metric.
        """

    def values(self) -> tuple[float, float]:
        """The metric of the float model and of the int8 model."""


@dataclass(frozen=True)
class Judged:
    """What a metric is computed on."""

    #: what messages call the data
    data: str
    #: the labels, axis 0 the sample; None: there are none
    labels: AnyArray | None
    #: names of the model's outputs, in order
    outputs: tuple[str, ...]
    #: name of the model's first input
    first_input: str

    def labels_of(self, samples: range) -> AnyArray | None:
        """The labels of these samples; None: there are none."""
        return None if self.labels is None else self.labels[samples.start : samples.stop]

    def refuse(self, what: str) -> BadData:
        """What is raised where outputs do not fit the metric."""
        return BadData(what, self.data, "Choose another metric (--metric, or in the set.toml), or use data without labels.")


class SquaredError:
    """Mean squared difference between the first output and the first input."""

    def __init__(self, judged: Judged) -> None:
        self._judged, self._total, self._count = judged, np.zeros(2), 0

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        source: F64 = np.asarray(piece.feeds[self._judged.first_input], np.float64)
        if source.shape != reference[0].shape:
            raise self._judged.refuse("mse compares the first output with the first input, but their shapes differ.")
        self._total += [float(np.square(source - result).sum()) for result in (reference[0], other[0])]
        self._count += source.size
        return True

    def values(self) -> tuple[float, float]:
        reference, other = self._total / max(self._count, 1)
        return float(reference), float(other)
