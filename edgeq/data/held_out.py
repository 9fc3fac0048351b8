"""Hold samples out, so that a model is judged on data that it was not fitted to.

Every fifth piece of the data is held out: of 20 samples or more, and always where training follows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from edgeq.data.dataset import Dataset
from edgeq.data.sources import Source, StreamSource
from edgeq.numerics.arrays import I64, AnyArray
from edgeq.schema.hold_out import HoldOut
from edgeq.schema.recipe import Recipe

#: one piece in every HELD_OUT is held out, at regular distances, so that data sorted by class is
#: covered too. A piece is one sample, or one batch of a model with a fixed batch
HELD_OUT = 5
#: the fewest samples of which some are held out where no training needs it: a fifth of fewer says
#: little, and ranges miss it more
LEAST = 20


def is_held_out(piece: int) -> bool:
    """Whether the piece with this number in the whole data is held out."""
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
        kept = self.kept[start:stop]
        if isinstance(self.source, StreamSource):
            yield from self.source.picked(kept)
            return
        for _, run in groupby(enumerate(kept), lambda pair: pair[1] - pair[0]):
            indices = [index for _, index in run]
            yield from self.source.rows(indices[0], indices[-1] + 1)

    def where(self, index: int) -> str:
        return self.source.where(self.kept[index])


@dataclass(frozen=True, eq=False)
class Division:
    """A data set, the samples of it that a model is fitted to, and those that were held out."""

    whole: Dataset
    #: the rule by which samples were held out
    rule: HoldOut
    #: the samples to fit to; the whole where none is held out
    fitted: Dataset
    #: the samples that judge; None: none is held out
    held_out: Dataset | None
    #: int64 [fitted samples]: their indices in the whole, in ascending order
    indices: I64

    def fitted_range(self, start: int, stop: int | None) -> tuple[int, int]:
        """The samples to fit to among start..stop-1 of the whole, as a range of `fitted`.

        Raises BadData for a range that is not in the data.
        """
        end = self.whole.count if stop is None else min(stop, self.whole.count)
        self.whole.check_range(start, end)
        return bisect_left(self.indices, start), bisect_left(self.indices, end)


def division_of(data: Dataset, recipe: Recipe, *, apart: bool = False, known: HoldOut | None = None) -> Division:
    """The data in the part to fit to and the part that is held out.

    apart: whether other data judges the result: then only training needs samples that are held out.
    known: the rule of statistics or of a plan that were made from this data; it decides, since what
    they saw cannot be held out any more.
    """
    if known is not None:
        return divided(data, known)
    wanted = recipe.finetune.trains or (recipe.hold_out and not apart and data.count >= LEAST)
    return divided(data, "every_fifth" if wanted else "none")


def divided(data: Dataset, rule: HoldOut) -> Division:
    """The data divided by a rule; fewer than HELD_OUT pieces are not divided."""
    step = data.fixed_batch or 1
    if rule == "none" or data.runs < HELD_OUT:
        return Division(data, "none", data, None, np.arange(data.count))
    fitted = [index for index in range(data.count) if not is_held_out(index // step)]
    held = [index for index in range(data.count) if is_held_out(index // step)]
    return Division(data, rule, part_of(data, fitted), part_of(data, held), np.array(fitted, np.int64))


def learning_part(data: Dataset) -> Dataset:
    """The samples that are not held out; all samples of fewer than HELD_OUT pieces."""
    return divided(data, "every_fifth").fitted


def halves_of(data: Dataset) -> tuple[Dataset, Dataset]:
    """The data in two parts, whose runs take turns."""
    step = data.fixed_batch or 1
    first, second = ([index for index in range(data.count) if index // step % 2 == side] for side in (0, 1))
    return part_of(data, first), part_of(data, second)


def places_in(part: Dataset, whole: Dataset) -> tuple[int, ...] | None:
    """Where the samples of a part lie in the whole; None: it was not made of it."""
    return part.source.kept if isinstance(part.source, _Part) and part.source.source is whole.source else None


def part_of(data: Dataset, kept: Sequence[int]) -> Dataset:
    """Some samples of the data. kept: their indices, in ascending order."""
    labels = None if data.labels is None else data.labels[list(kept)]
    return replace(data, count=len(kept), labels=labels, source=_Part(data.source, tuple(kept)), survey=data.survey.part(kept))
