"""Observe one tensor during calibration, block by block, at a few nanoseconds per value."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np

from edgeq.calibration.histogram import BINS, MIN_EXPONENT, coarsen, exponent_for, trimmed
from edgeq.calibration.tensor_stats import TensorStats, widen
from edgeq.numerics.arrays import F32, I64, AnyArray

#: values binned at a time, with float32 and int64 scratch of 768 kB; of 8 k to 128 k this and 128 k
#: were measured the fastest
BLOCK = 1 << 16
_INF, _ZERO = np.float32(np.inf), np.float32(0)


class Observer:
    """Collects the TensorStats of one tensor.

    The result depends only on the values and their samples, not on order or batching.
    """

    def __init__(self) -> None:
        self._nonfinite = 0
        self._samples, self._low, self._high = array("q"), array("f"), array("f")
        self._exponent = MIN_EXPONENT
        self._room = math.ldexp(BINS, MIN_EXPONENT)  # magnitudes below it fit in the bins
        self._counts: I64 | None = None  # bins -BINS .. BINS-1

    def update(self, values: AnyArray, samples: Sequence[int]) -> None:
        """Add a float array of any shape; other types than float32 are cast to it.

        One entry in `samples`: all of `values` belongs to that sample. Otherwise values are
        [len(samples), ...], and row i belongs to sample samples[i]. A sample may come in several
        pieces. Raises ValueError if the rows and the samples do not match.
        """
        number = len(samples)
        if number == 0 or (number > 1 and (values.ndim == 0 or values.shape[0] != number)):
            raise ValueError(f"{number} samples for an array of shape {values.shape}")
        flat = _flat_float32(values)
        rows = flat.reshape(number, flat.size // number)
        low = np.minimum.reduce(rows, axis=1, initial=_INF)
        high = np.maximum.reduce(rows, axis=1, initial=-_INF)
        lowest, highest = float(np.minimum.reduce(low)), float(np.maximum.reduce(high))
        if not (math.isfinite(lowest) and math.isfinite(highest)):  # NaN spreads, an infinity is an extreme: no test per value needed
            low, high, flat = self._drop_nonfinite(rows)
            lowest, highest = float(low.min()), float(high.max())
        self._remember(samples, low + _ZERO, high + _ZERO)  # -0.0 becomes 0.0: which of the two min finds depends on the order
        if flat.size:
            self._count(flat, lowest, highest)

    def stats(self) -> TensorStats:
        """The statistics of everything seen so far."""
        samples, low, high = widen(np.array(self._samples, np.int64), np.array(self._low, np.float32), np.array(self._high, np.float32))
        first, counts = trimmed(-BINS, np.zeros(0, np.int64) if self._counts is None else self._counts)
        return TensorStats(self._nonfinite, samples, low, high, self._exponent, first, counts)

    def _drop_nonfinite(self, rows: F32) -> tuple[F32, F32, F32]:
        finite = np.isfinite(rows)
        self._nonfinite += int(rows.size - np.count_nonzero(finite))
        low = np.minimum.reduce(rows, axis=1, initial=_INF, where=finite)
        high = np.maximum.reduce(rows, axis=1, initial=-_INF, where=finite)
        return low, high, rows[finite]

    def _remember(self, samples: Sequence[int], low: F32, high: F32) -> None:
        if len(samples) == 1 and self._samples and self._samples[-1] == samples[0]:  # a loop body's value: many pieces, one sample
            self._low[-1], self._high[-1] = min(self._low[-1], float(low[0])), max(self._high[-1], float(high[0]))
            return
        self._samples.extend(samples)
        self._low.frombytes(low.tobytes())
        self._high.frombytes(high.tobytes())

    def _count(self, flat: F32, low: float, high: float) -> None:
        if self._counts is None:
            self._counts = np.zeros(2 * BINS, np.int64)
        peak = max(-low, high)
        if peak >= self._room:
            self._grow(self._counts, exponent_for(peak))
        scale = np.float32(2.0**-self._exponent)
        offset = -math.floor(math.ldexp(low, -self._exponent)) if low < 0 else 0  # exact: float64 has room
        scratch_f, scratch_i = np.empty(min(flat.size, BLOCK), np.float32), np.empty(min(flat.size, BLOCK), np.int64)
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK]
            bins = scratch_i[: block.size]
            if low >= 0:
                np.multiply(block, scale, out=bins, casting="unsafe")  # the cast truncates, which is floor where no value is negative
            else:
                _signed_bins(block, scale, offset, scratch_f[: block.size], bins)
            found = np.bincount(bins)
            self._counts[BINS - offset : BINS - offset + found.size] += found

    def _grow(self, counts: I64, exponent: int) -> None:
        first, merged = coarsen(-BINS, counts, exponent - self._exponent)
        counts[:] = 0
        counts[BINS + first : BINS + first + merged.size] = merged
        self._exponent, self._room = exponent, math.ldexp(BINS, exponent)


def _flat_float32(values: AnyArray) -> F32:
    if values.dtype == np.float32:
        return np.ascontiguousarray(values).reshape(-1)
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, and is counted as such
        return np.ascontiguousarray(values, np.float32).reshape(-1)


def _signed_bins(block: F32, scale: np.float32, offset: int, scaled: F32, bins: I64) -> None:
    """bins = floor(block * scale) + offset.

    The product is exact, except that a tiny negative value underflows to -0.0; its bin is -1.
    """
    np.multiply(block, scale, out=scaled)
    np.floor(scaled, out=scaled)
    if scale < 1:
        scaled[(scaled == 0) & (block < 0)] = -1
    np.add(scaled, np.float32(offset), out=bins, casting="unsafe")
