"""Hold samples out of training, so that a model is judged on data that it was not fitted to.

Every fifth piece of the data is held out where training follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from edgeq.data.dataset import Dataset
from edgeq.data.sources import Source
from edgeq.data.survey import Survey
from edgeq.numerics.arrays import AnyArray

#: one piece in every HELD_OUT is held out, at regular distances, so that data sorted by class is
#: covered too. A piece is one sample, or one batch of a model with a fixed batch
HELD_OUT = 5


def is_held_out(piece: int) -> bool:
    """Whether the piece with this number is held out."""
    return piece % HELD_OUT == HELD_OUT - 1


@dataclass(frozen=True, eq=False)
class _Part:
    """Some samples of a source."""

    #: the whole source
    source: Source
    #: indices into the source, in ascending order
    kept: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.kept)

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        for _, run in groupby(enumerate(self.kept[start:stop]), lambda pair: pair[1] - pair[0]):
            indices = [index for _, index in run]
            yield from self.source.rows(indices[0], indices[-1] + 1)

    def where(self, index: int) -> str:
        return self.source.where(self.kept[index])


def learning_part(data: Dataset) -> Dataset:
    """The samples that are not held out; all samples of fewer than HELD_OUT pieces."""
    step = data.fixed_batch or 1
    kept = tuple(index for index in range(data.count) if not is_held_out(index // step))
    if len(kept) == data.count:
        return data
    labels = None if data.labels is None else data.labels[list(kept)]
    survey = Survey.empty(len(kept), data.survey.names)
    return replace(data, count=len(kept), labels=labels, source=_Part(data.source, kept), survey=survey)
