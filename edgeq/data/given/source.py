"""Read spooled items as samples of a model: which arrays feed which input, and what is a batch."""

from __future__ import annotations

from array import array as numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.data.checks import LABELS, match_names
from edgeq.data.given.spool import Kept, Spool
from edgeq.data.labels import any_labels, check_labels
from edgeq.data.sources import OpenedSource
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import I64, AnyArray

WHERE = "the data in Python"


@dataclass(frozen=True, eq=False)
class Spooled:
    """Items of an iterable as data for any model."""

    #: the items
    spool: Spool

    @property
    def name(self) -> str:
        """What reports and messages call the data."""
        return "memory"

    def opened(self, inputs: Sequence[InputSpec], *, classes: bool = True) -> OpenedSource:
        """The samples for a model with these inputs. Raises BadData."""
        return open_spool(self.spool, inputs, classes=classes)


@dataclass(frozen=True, eq=False)
class SpoolSource:
    """Samples among spooled items."""

    #: the items
    spool: Spool
    #: by model input, the name or place of its array in an item
    keys: Mapping[str, str | int]
    #: int64 [samples, 2]: the item of each sample, and its row there; -1: the item is the sample
    places: I64

    @property
    def count(self) -> int:
        return len(self.places)

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        for item, row in self.places[start:stop].tolist():
            yield {name: self.spool.read(item, key, None if row < 0 else row) for name, key in self.keys.items()}

    def where(self, index: int) -> str:
        item, row = self.places[index].tolist()
        return f"item {item} of the data" + ("" if row < 0 else f", row {row} (sample {index})")


def open_spool(spool: Spool, inputs: Sequence[InputSpec], *, classes: bool = True) -> OpenedSource:
    """Open spooled items for a model with these inputs.

    By name, an item has an array for each input and perhaps labels; by place, the arrays of the
    inputs in their order, and perhaps the label behind them. Arrays of the inputs' own ranks and of
    one length along axis 0 are a batch of samples; others are one sample. classes: whether labels
    must be class numbers. Raises BadData.
    """
    if not spool.items:
        return OpenedSource(SpoolSource(spool, {}, np.zeros((0, 2), np.int64)))  # who opens it says so
    keys, labels, notes = _keys(spool.items[0], inputs)
    wanted = {*keys.values()} | ({labels} if labels is not None else set())
    places = numbers("q")
    told: list[AnyArray] = []
    for index, item in enumerate(spool.items):
        _check_same(item, wanted, index)
        length = _batch(item, keys, inputs)
        for row in (-1,) if length is None else range(length):
            places.extend((index, row))
        if labels is not None:
            found = spool.read(index, labels)
            told += [found.reshape(-1)] if classes else [found] if length is None or found.ndim == 0 else [*found]
    source = SpoolSource(spool, keys, np.array(places, np.int64).reshape(-1, 2))
    if labels is None:
        return OpenedSource(source, None, notes)
    where = f"labels of {WHERE}"
    kept = check_labels(np.concatenate(told), source.count, where) if classes else any_labels(_joined(told), source.count, where)
    return OpenedSource(source, kept, notes)


def _joined(told: Sequence[AnyArray]) -> AnyArray:
    """The labels along axis 0; an array of arrays where their shapes differ."""
    if len({np.shape(one) for one in told}) == 1:
        return np.stack(told)
    found: AnyArray = np.empty(len(told), object)
    for index, one in enumerate(told):
        found[index] = one
    return found


def _keys(item: Mapping[str | int, Kept], inputs: Sequence[InputSpec]) -> tuple[dict[str, str | int], str | int | None, tuple[str, ...]]:
    """The array of each input in an item, that of the labels, and what the user should know."""
    names = [name for name in item if isinstance(name, str)]
    if names:
        match = match_names(names, inputs, WHERE)
        return {**match.keys}, match.labels, match.notes
    if not len(inputs) <= len(item) <= len(inputs) + 1:
        listed = ", ".join(spec.name for spec in inputs)
        what = f"An item has {len(item)} arrays, but the model has {len(inputs)} inputs ({listed})."
        raise BadData(what, WHERE, f"Give tuples of the inputs in this order, with the label behind them, or mappings with `{LABELS[0]}`.")
    return {spec.name: place for place, spec in enumerate(inputs)}, len(inputs) if len(item) > len(inputs) else None, ()


def _check_same(item: Mapping[str | int, Kept], wanted: set[str | int], index: int) -> None:
    missing = next((key for key in wanted if key not in item), None)
    if missing is not None:
        what = "no array at place " + str(missing) if isinstance(missing, int) else f"no array `{missing}`"
        raise BadData(f"The item has {what}, which the first item has.", f"item {index} of the data", "Give the same arrays in every item.")


def _batch(item: Mapping[str | int, Kept], keys: Mapping[str, str | int], inputs: Sequence[InputSpec]) -> int | None:
    """How many samples an item holds along axis 0; None: it is one sample, or one whole feed."""
    shapes = [item[keys[spec.name]].shape for spec in inputs]
    batches = all(
        spec.form != "sequence" and spec.shape is not None and len(shape) == len(spec.shape) > 0
        for spec, shape in zip(inputs, shapes, strict=True)
    )
    lengths = {shape[0] for shape in shapes if shape}
    return lengths.pop() if batches and len(lengths) == 1 else None
