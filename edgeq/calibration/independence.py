"""Find whether a model may run several samples at once: whether axis 0 holds independent samples.

An array of samples is cut along axis 0, and each row is fed alone or beside others. That is right
only where a row means the same alone as beside others. Two runs of one row of the batch, beside
different neighbours, tell: the kernels, and with them all rounding, are the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import onnx_ir as ir

from edgeq.data.checks import show_shape
from edgeq.data.dataset import Dataset, Feeds
from edgeq.errors import BadData, RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session

#: outputs are equal if the root mean square of their difference is below this share of their own.
#: onnxruntime cuts matrix products into other blocks for other batches, which moves each sum by
#: some units of float32 (6e-8); a thousand times as much is left for the depth of a network. What
#: depends on its neighbours by less is far below the error of 8 bits (some 1e-2)
NOISE = 1e-4
#: samples among which two of one shape are looked for
LOOKED_AT = 8


def fed_rightly(data: Dataset, model: ir.Model, *, tolerance: float = NOISE) -> Dataset:
    """The data as the model can take it: with a batch of 1 where it takes one sample at a time.

    model: the float model. Nothing is run where the batch is fixed, or the data holds no two
    different samples of one shape. tolerance: see NOISE. Raises BadData if samples depend on each
    other: rows of axis 0 are no samples then.

    >>> from edgeq.data.open import open_dataset
    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.graph.signature import input_specs
    >>> from edgeq.io.load import load_model
    >>> model = load_model(shipped_model("digits")).model
    >>> print(fed_rightly(open_dataset("digits", input_specs(model)), model).fixed_batch)
    None
    """
    pair = _two_samples(data) if data.fixed_batch is None else None
    if pair is None:
        return data
    with open_session(model, threads=1, arena=False) as session:  # it runs a few times, on what may be large
        try:
            alone = tuple(session.run(feeds) for feeds in pair)
        except RuntimeRefused:
            return data  # not for want of a batch: whoever runs the model next says it
        try:
            together = session.run(_joined(pair))
        except RuntimeRefused:
            return _one_at_a_time(data, "the model takes no more than one at a time")
        outputs = [_Output(*arrays) for arrays in zip(*alone, together, strict=True)]
        if all(name not in session.tensors or one.agrees(tolerance) for name, one in zip(session.outputs, outputs, strict=True)):
            return data
        again, *twice = (session.run(_joined((a, b))) for a, b in (pair, (pair[0], pair[0]), (pair[1], pair[1])))
    for name, one, same, *others in zip(session.outputs, outputs, again, *twice, strict=True):
        steady = _equal(one.together, same, tolerance)  # other numbers in every run are no sign of anything
        if steady and name in session.tensors and any(one.changes(place, other, tolerance) for place, other in enumerate(others)):
            raise _not_samples(data, name)
    return _one_at_a_time(data, "what the model gives for several at once is not what it gives for each")


@dataclass(frozen=True, eq=False)
class _Output:
    """One output of the model, for two samples alone and together."""

    first: AnyArray
    second: AnyArray
    together: AnyArray

    @property
    def axis(self) -> int | None:
        """The axis along which the two samples lie beside each other; None: there is none."""
        shapes = self.first.shape, self.together.shape
        if self.first.shape != self.second.shape or len(shapes[0]) != len(shapes[1]):
            return None
        found = [axis for axis, (own, both) in enumerate(zip(*shapes, strict=True)) if own != both]
        return found[0] if len(found) == 1 and shapes[1][found[0]] == 2 * shapes[0][found[0]] else None

    def agrees(self, tolerance: float) -> bool:
        """Whether the samples give the same alone and together, or the same whatever is fed."""
        if self.axis is None:
            return _equal(self.first, self.second, tolerance) and _equal(self.first, self.together, tolerance)
        return _equal(np.concatenate([self.first, self.second], self.axis), self.together, tolerance)

    def changes(self, place: int, other: AnyArray, tolerance: float) -> bool:
        """Whether the sample at this place has another part in `other`, for it beside itself."""
        if self.axis is None or self.together.dtype.kind != "f" or self.together.shape != other.shape:
            return False
        mine, its = (np.split(array, 2, self.axis)[place] for array in (self.together, other))
        return not _equal(mine, its, tolerance)


def _two_samples(data: Dataset) -> tuple[Feeds, Feeds] | None:
    """The first sample, and the next one of its shape with other numbers."""
    pieces = [piece.feeds for piece in islice(data.batches(1), LOOKED_AT)]
    first = pieces[0] if pieces else {}
    for other in pieces[1:]:
        if all(first[name].shape == other[name].shape for name in first) and any((first[name] != other[name]).any() for name in first):
            return first, other
    return None


def _joined(pair: Sequence[Feeds]) -> Feeds:
    return {name: np.concatenate([feeds[name] for feeds in pair]) for name in pair[0]}


def _equal(wanted: AnyArray, got: AnyArray, tolerance: float) -> bool:
    """Whether two outputs are equal but for rounding, and not finite at the same places."""
    if wanted.shape != got.shape or wanted.dtype.kind != "f":
        return wanted.shape == got.shape and bool(np.all(wanted == got))
    finite = np.isfinite(wanted) & np.isfinite(got)
    if not np.array_equal(wanted[~finite], got[~finite], equal_nan=True):
        return False
    expected, found = wanted[finite].astype(np.float64), got[finite].astype(np.float64)
    return bool(np.square(found - expected).sum() <= tolerance**2 * np.square(expected).sum())


def _one_at_a_time(data: Dataset, why: str) -> Dataset:
    return replace(data, fixed_batch=1, notes=(*data.notes, f"samples run one by one: {why}"))


def _not_samples(data: Dataset, output: str) -> BadData:
    names = ", ".join(f"`{spec.name}` {show_shape(spec)}" for spec in data.inputs)
    feeds = ", ".join(f"{spec.name} {show_shape(spec).replace('[', '[feeds, ', 1)}" for spec in data.inputs)
    return BadData(
        f"Rows along axis 0 are not samples: output `{output}` of one row changes with the rows that are fed beside it.",
        f"{data.name}, axis 0 of the model's inputs {names}",
        f"Give whole feeds, arrays with one rank more: {feeds}. If each row is a whole feed by itself, x[:, None] says so.",
    )
