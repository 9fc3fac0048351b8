"""Samples that fit a model, streamed batch by batch in constant memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgeq.data.checks import fit_sample
from edgeq.data.set_toml import SetInput
from edgeq.data.sources import Source
from edgeq.data.survey import Survey
from edgeq.data.trial import Trial, check_values
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.metrics.metric import Metric
from edgeq.numerics.arrays import AnyArray

#: name of a model input -> array
Feeds = dict[str, AnyArray]


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch of samples as the model takes them."""

    #: global indices of the samples
    samples: range
    #: array per model input; axis 0 holds the samples, unless the batch is one whole feed
    feeds: Feeds


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples that fit a model.

    Files are open only during a pass over the data; about 100 bytes per sample are kept.
    """

    #: what reports and messages call the data
    name: str
    #: number of samples in use
    count: int
    #: number of samples left out because they do not fill the model's fixed batch
    unused: int
    #: int64 [count], or for a metric of one's own [count, ...]; None: the data has no labels
    labels: AnyArray | None
    #: the task metric; None: the data has no labels, and there is none that needs none
    metric: Metric | None
    #: what the user should know
    notes: tuple[str, ...]
    #: inputs of the model, dimensions frozen by the user included
    inputs: tuple[InputSpec, ...]
    #: the batch that the model or the data forces; None: any
    fixed_batch: int | None
    #: raw samples, before preprocessing
    source: Source
    #: preprocessing by input name
    how: Mapping[str, SetInput]
    #: digests and value ranges of the samples that a pass has seen
    survey: Survey
    #: judges samples with NaN, with infinities or without elements; None: they are refused
    trial: Trial | None = None
    #: whether the samples were made up: there was no real data
    made_up: bool = False

    @property
    def hash(self) -> str:
        """sha256 over what the model is fed, in hexadecimal.

        It covers names, types, shapes and bytes of every sample in use, preprocessed and in order.
        The container (file or memory, compressed or not), the labels and the batch size do not
        matter. Samples that no pass has seen yet are read now.
        """
        return hashlib.sha256(b"edgeq-data-1" + self.complete_survey().digests.tobytes()).hexdigest()

    def unjudged(self) -> Dataset:
        """The same samples without labels and metric, for whoever only runs models on them.

        A metric may be a function of the user's, which does not travel to workers.
        """
        return self if self.labels is None and self.metric is None else replace(self, labels=None, metric=None)

    @property
    def runs(self) -> int:
        """How often a model runs to see all samples: once per sample, or once per fixed batch."""
        return self.count // (self.fixed_batch or 1)

    def complete_survey(self) -> Survey:
        """Digests and value ranges of all samples; those that no pass has seen yet are read now."""
        for start, stop in self.survey.unseen():
            for _ in self._samples(start, stop):
                pass
        return self.survey

    def batches(self, batch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield samples start..stop-1 in order, up to `batch` of them together.

        Indices are global, so ranges of one set can be shards: batches end at multiples of their
        size. A fixed batch dimension of the model
        takes precedence over `batch`. Whole feeds come alone, and neighbours of different shape are
        not joined. Raises BadData for a damaged file, for a sample that does not fit, and for a
        range that is outside the data or not a multiple of the fixed batch; ValueError for a batch
        below 1.
        """
        if batch < 1:
            raise ValueError(f"batch {batch} is below 1")
        end = self.count if stop is None else stop
        self.check_range(start, end)
        size = self.fixed_batch or batch
        held: list[Feeds] = []
        for index, feeds in enumerate(self._samples(start, end), start):
            if held and (index % size == 0 or not self._joins(held[0], feeds, index)):
                yield _join(held, index)
                held = []
            held.append(feeds)
        if held:
            yield _join(held, end)

    def leading(self, most: int) -> int:
        """About `most` of the first samples: whole batches of the model, at least one."""
        step = self.fixed_batch or 1
        return min(most, self.count) // step * step or step

    def check_range(self, start: int, end: int) -> None:
        """Raise BadData when start..end-1 is no range of samples, or divides a fixed batch."""
        step = self.fixed_batch or 1
        if not 0 <= start <= end <= self.count or start % step or end % step:
            fix = f"Choose 0 <= start <= stop <= {self.count}" + (f", both multiples of {step}, the model's batch." if step > 1 else ".")
            raise BadData(f"The samples {start}..{end} are not in the data.", self.name, fix)

    def _joins(self, first: Feeds, feeds: Feeds, index: int) -> bool:
        same = all(first[name].shape == array.shape for name, array in feeds.items())
        if not same and (self.fixed_batch or 1) > 1:
            fix = "Give samples of one shape, or a model with a dynamic batch dimension."
            raise BadData(f"The model takes {self.fixed_batch} samples at once, but their shapes differ.", self.source.where(index), fix)
        return same

    def _samples(self, start: int, stop: int) -> Iterator[Feeds]:
        for index, row in enumerate(self.source.rows(start, stop), start):
            where = self.source.where(index)
            feeds, _ = fit_row(row, self.inputs, self.how, where)
            if not self.survey.seen[index]:
                check_values(feeds, where, self.trial)
            self.survey.record(index, feeds)
            yield feeds


def fit_row(
    row: Mapping[str, AnyArray], inputs: Sequence[InputSpec], how: Mapping[str, SetInput], where: str
) -> tuple[Feeds, frozenset[str]]:
    """Preprocess, convert and check one raw sample.

    Returns its feeds, and the names of the inputs whose array was a whole feed.
    """
    feeds: Feeds = {}
    whole: set[str] = set()
    for spec in inputs:
        raw = row[spec.name]
        array = how[spec.name].normalize(raw, where) if spec.name in how else raw
        feeds[spec.name], is_whole = fit_sample(array, spec, where)
        if is_whole:
            whole.add(spec.name)
    return feeds, frozenset(whole)


def _join(held: Sequence[Feeds], stop: int) -> Batch:
    samples = range(stop - len(held), stop)
    if len(held) == 1:
        return Batch(samples, held[0])
    return Batch(samples, {name: np.concatenate([feeds[name] for feeds in held]) for name in held[0]})
