"""Samples that nothing is fitted to: every fifth piece of the data where training follows, so that
its judge is not its teacher.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from edgeq.data.dataset import Dataset
from edgeq.data.sources import Source
from edgeq.data.survey import Survey
from edgeq.numerics.arrays import AnyArray

#: every so many pieces (samples; batches of a model with a fixed one): also of data that is sorted
#: by class
HELD_OUT = 5


def is_held_out(piece: int) -> bool:
    """Whether the piece of this number is one of them."""
    return piece % HELD_OUT == HELD_OUT - 1


@dataclass(frozen=True, eq=False)
class _Part:
    """Some samples of a source, by index."""

    source: Source
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
    """The samples that are not held out; all of them where they are fewer than HELD_OUT pieces."""
    step = data.fixed_batch or 1
    kept = tuple(index for index in range(data.count) if not is_held_out(index // step))
    if len(kept) == data.count:
        return data
    labels = None if data.labels is None else data.labels[list(kept)]
    survey = Survey.empty(len(kept), data.survey.names)
    return replace(data, count=len(kept), labels=labels, source=_Part(data.source, kept), survey=survey)
