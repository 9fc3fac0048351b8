"""Calibration and evaluation data as a stream of feeds: an .npz, a folder, a shipped set or arrays in memory; constant memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeq.data_checks import fit_sample, freeze_shapes
from edgeq.data_folder import open_folder
from edgeq.data_source import Opened, Source, open_arrays, open_memory
from edgeq.data_survey import Survey
from edgeq.errors import BadData
from edgeq.inputs import InputSpec
from edgeq.labels import Labels
from edgeq.set_toml import SetInput
from edgeq.shipped import shipped_folder, shipped_model, shipped_sets

__all__ = ["Batch", "Dataset", "InputSpec", "open_dataset", "shipped_model", "shipped_sets"]

Feeds = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class Batch:
    """samples: global indices. feeds: by input name, as the model takes them; axis 0 holds the samples, unless it is one whole feed."""

    samples: range
    feeds: Feeds


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples that fit a model. Files are opened for the time of a pass only; what is kept is 100 bytes a sample.

    count: samples in use. unused: samples left out because they do not fill the model's fixed batch.
    labels: int64 [count] or None. metric: name of the task metric, or None without labels. notes: what the user should know.
    """

    name: str
    count: int
    unused: int
    labels: Labels | None
    metric: str | None
    notes: tuple[str, ...]
    inputs: tuple[InputSpec, ...]
    fixed_batch: int | None
    source: Source
    how: Mapping[str, SetInput]
    survey: Survey

    @property
    def hash(self) -> str:
        """sha256 over what the model is fed: names, types, shapes and bytes of every sample in use, preprocessed, in order.

        The container does not matter (file or memory, compressed or not), nor do labels or the batch size.
        Samples that no pass has seen yet are read now.
        """
        for start, stop in self.survey.unseen():
            for _ in self._samples(start, stop):
                pass
        return hashlib.sha256(b"edgeq-data-1" + self.survey.digests.tobytes()).hexdigest()

    def batches(self, batch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Samples start..stop-1 in order, up to `batch` together; indices are global, so ranges of one set can be shards.

        A fixed batch dimension of the model wins over `batch`; whole feeds come alone; neighbours of different shape are not joined.
        Raises BadData: a damaged file, a sample that does not fit, a range outside the data or not a multiple of the fixed batch.
        """
        if batch < 1:
            raise ValueError(f"batch {batch} is below 1")
        end = self.count if stop is None else stop
        step = self.fixed_batch or 1
        if not 0 <= start <= end <= self.count or start % step or end % step:
            mend = f"Choose 0 <= start <= stop <= {self.count}" + (f", both multiples of {step}, the model's batch." if step > 1 else ".")
            raise BadData(f"The samples {start}..{end} are not in the data.", self.name, mend)
        size = self.fixed_batch or batch
        held: list[Feeds] = []
        for index, feeds in enumerate(self._samples(start, end), start):
            if held and (len(held) == size or not self._joins(held[0], feeds, index)):
                yield _join(held, index)
                held = []
            held.append(feeds)
        if held:
            yield _join(held, end)

    def _joins(self, first: Feeds, feeds: Feeds, index: int) -> bool:
        same = all(first[name].shape == array.shape for name, array in feeds.items())
        if not same and (self.fixed_batch or 1) > 1:
            mend = "Give samples of one shape, or a model with a dynamic batch dimension."
            raise BadData(f"The model takes {self.fixed_batch} samples at once, but their shapes differ.", self.source.where(index), mend)
        return same

    def _samples(self, start: int, stop: int) -> Iterator[Feeds]:
        for index, row in enumerate(self.source.rows(start, stop), start):
            feeds, _ = fit_row(row, self.inputs, self.how, self.source.where(index))
            self.survey.record(index, feeds)
            yield feeds


def open_dataset(
    spec: str | Path | Mapping[str, NDArray[np.generic]],
    inputs: Sequence[InputSpec],
    *,
    samples: int | None = None,
    split: str = "calibration",
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Dataset:
    """Open data for a model with these inputs.

    spec: an .npz file with one array per input (axis 0 = sample; an array with one rank more than the input: each row is a whole feed),
    a .npy file for a model with one input, a folder of .npy, .npz or image files with a set.toml, the name of a shipped set
    (it wins over a folder of that name; write ./NAME for the folder), or a mapping of arrays like an .npz.
    samples: use the first N. split: the part of a set. shapes: freezes dynamic dimensions (--shape NAME=DIMS).
    Names, lengths and the first sample are checked now, the other samples when they are read. Raises BadData.
    """
    if samples is not None and samples < 1:
        raise BadData(f"{samples} samples are too few.", "--samples", "Use at least 1, or leave the option out.")
    frozen = freeze_shapes(inputs, shapes or {})
    name, opened, metric, how = _open(spec, frozen, split)
    source, total = opened.source, opened.source.count
    if total == 0:
        raise BadData("There are no samples.", name, "Give at least one; 100 to 500 typical ones calibrate well.")
    (first,) = source.rows(0, 1)
    _, whole = fit_row(first, frozen, how, source.where(0))
    fixed = _fixed_batch(frozen, whole, name)
    used = min(samples or total, total)
    count = used - used % (fixed or 1)
    if count == 0:
        raise BadData(f"The model takes {fixed} samples at once, but there are {used}.", name, f"Give at least {fixed}.")
    labels = None if opened.labels is None else opened.labels[:count]
    chosen = None if labels is None else metric or "top1"
    survey = Survey.empty(count, tuple(i.name for i in frozen))
    return Dataset(name, count, used - count, labels, chosen, opened.notes, frozen, fixed, source, how, survey)


def _open(
    spec: str | Path | Mapping[str, NDArray[np.generic]], inputs: tuple[InputSpec, ...], split: str
) -> tuple[str, Opened, str | None, Mapping[str, SetInput]]:
    """Name, source, metric and preprocessing of what `spec` names."""
    if isinstance(spec, Mapping):
        return "memory", open_memory(spec, inputs), None, {}
    path = Path(spec)
    named = isinstance(spec, str) and spec in shipped_sets()
    if named or not path.exists():
        path = shipped_folder(str(spec))
    if path.name == "set.toml":
        path = path.parent
    if path.is_dir():
        folder = open_folder(path, inputs, split)
        return folder.name, folder.opened, folder.metric, folder.how
    if path.suffix.lower() not in (".npz", ".npy"):
        raise BadData(
            "The data is neither an .npz or .npy file nor a folder.", str(path), "numpy.savez('data.npz', INPUT=array) makes an .npz."
        )
    return path.name, open_arrays(path, inputs), None, {}


def fit_row(
    row: Mapping[str, NDArray[np.generic]], inputs: Sequence[InputSpec], how: Mapping[str, SetInput], where: str
) -> tuple[Feeds, frozenset[str]]:
    """One raw sample as feeds (preprocessed, converted, checked), and the names of the inputs whose array was a whole feed."""
    feeds: Feeds = {}
    whole: set[str] = set()
    for spec in inputs:
        raw = row[spec.name]
        array = how[spec.name].normalize(raw, where) if spec.name in how else raw
        feeds[spec.name], is_whole = fit_sample(array, spec, where)
        if is_whole:
            whole.add(spec.name)
    return feeds, frozenset(whole)


def _fixed_batch(inputs: Sequence[InputSpec], whole: frozenset[str], where: str) -> int | None:
    """The batch that the model or the data forces: 1 for whole feeds, the fixed first dimension, or None."""
    rows = [spec for spec in inputs if spec.name not in whole and spec.shape is not None]
    fixed = {spec.name: d for spec in rows if isinstance(d := (spec.shape or (None,))[0], int) and d > 0}
    allowed = 1 if whole else None
    if len(set(fixed.values()) | ({1} if whole else set())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in fixed.items())
        mend = "Give whole feeds for every input: arrays with one rank more than the input, one feed a row."
        raise BadData(f"The inputs do not share one batch dimension: {listed}{', others whole feeds' if whole else ''}.", where, mend)
    return next(iter(fixed.values()), allowed)


def _join(held: Sequence[Feeds], stop: int) -> Batch:
    samples = range(stop - len(held), stop)
    if len(held) == 1:
        return Batch(samples, held[0])
    return Batch(samples, {name: np.concatenate([feeds[name] for feeds in held]) for name in held[0]})
