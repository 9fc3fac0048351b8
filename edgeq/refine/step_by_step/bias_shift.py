"""The shift of each channel of a layer that brings its output closest to the float model's.

What samples give is computed for each alone, and put together here in their order: the result does
not depend on how they are divided.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.numerics.arrays import F64, AnyArray

#: the interval in which a change of the output has an effect
Ends = tuple[float, float]
#: of one sample: the sum of errors and the number of places that count, both [C]
Missed = tuple[F64, F64]


def best_shift(wanted: Sequence[AnyArray], got: Sequence[AnyArray], low: float, high: float) -> F64:
    """The shift [C] per channel (axis 1) that brings `got` closest to `wanted` after clipping.

    wanted, got: one array per sample. A `low` of 0 stands for a Relu: all numbers below are equal.
    """
    pairs, ends = list(zip(wanted, got, strict=True)), (low, high)
    shift = mean_shift([missed(target, value, ends) for target, value in pairs])
    before, after = zip(*(errors(target, value, shift, ends) for target, value in pairs), strict=True)
    return where_it_helps(shift, before, after)


def missed(target: AnyArray, value: AnyArray, ends: Ends) -> Missed:
    """What one sample says of the mean error."""
    low, high = ends
    inside = (value > low) & (value < high)
    error = np.where(inside, np.maximum(target, _floor(low)) - value, 0)
    return _over_places(error), _over_places(inside)


def mean_shift(found: Sequence[Missed]) -> F64:
    """The mean error [C] over all samples.

    It is multiplied by shift^2 / (shift^2 + variance), with the variance of its estimate over the
    samples.
    """
    total, count = np.array([sums for sums, _ in found]), np.array([counts for _, counts in found])
    shift = total.sum(0) / np.maximum(count.sum(0), 1)
    doubt = ((total - shift * count) ** 2).sum(0) / np.maximum(count.sum(0), 1) ** 2
    return np.asarray(shift * (shift**2 / np.maximum(shift**2 + doubt, 1e-300)))


def errors(target: AnyArray, value: AnyArray, shift: F64, ends: Ends) -> tuple[F64, F64]:
    """Squared errors [C] of one sample after clipping to the grid, before and after the shift."""
    before, after = (_error(target, value, by, ends) for by in (np.zeros_like(shift), shift))
    return before, after


def where_it_helps(shift: F64, before: Sequence[F64], after: Sequence[F64]) -> F64:
    """The shift, but 0 for channels whose squared error over all samples it would increase."""
    return np.where(_added(after) <= _added(before), shift, 0.0)


def _added(found: Sequence[F64]) -> F64:
    """The sum, sample after sample."""
    total = np.zeros(found[0].shape)
    for one in found:
        total += one
    return total


def _error(target: AnyArray, value: AnyArray, shift: F64, ends: Ends) -> F64:
    low, high = ends
    moved = np.clip(value + shift.astype(np.float32).reshape(along(value)), low, high)
    return _over_places(np.square(moved - np.maximum(target, _floor(low))))


def _floor(low: float) -> float:
    return low if low == 0 else -np.inf


def _over_places(array: AnyArray) -> F64:
    """The sum over all axes but the channels."""
    return np.asarray(array.sum(tuple(axis for axis in range(array.ndim) if axis != 1), dtype=np.float64))


def along(array: AnyArray) -> tuple[int, ...]:
    """The shape of a number for each channel, beside this array."""
    return (1, -1, *[1] * (array.ndim - 2))
