"""Sigmoid, Tanh and Softmax of 16-bit codes, by the tables that TFLite's kernels look them up in.

Results are codes of the grid 1/32768 with zero point 0. Arrays are int64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from edgeq.integers.interpreter.fixed_point import multiplier, round_away, scaled
from edgeq.numerics.arrays import F64, I64

#: the range of exponents that Softmax tells apart: exp(-10) is 1.5 steps of 1/32768
_LEAST_EXPONENT = -10.0
#: intervals of a table of Softmax
_INTERVALS = 512


@cache
def _sigmoids() -> I64:
    """Sigmoid at every 1/24 in 1/65536, less half of the error between two of them.

    Source: these are the numbers of sigmoid_table_uint16 in tensorflow/lite/kernels/internal.
    """
    at, between = (65536 / (1 + np.exp(-(np.arange(257) + part) / 24)) for part in (0.0, 0.5))
    error = (at[:-1] + at[1:]) / 2 - between[:-1]
    return np.minimum(np.rint(at[:-1] - error / 2), 65535).astype(np.int64)


def _in_steps_of_the_table(x: I64, scale: float) -> I64:
    """x * scale in 1/12288 (LogisticPrepare and TanhPrepare of kernels/activations.cc)."""
    factor, shift = scale * 4096 * 3, 0
    places = np.log2(scale) + 12
    if places == 0:
        return x * 3
    while factor <= 32767 / 2 and shift <= 30:
        factor, shift = factor * 2, shift + 1
    half = 1 << (shift - 1) if shift else 0
    return np.asarray((x * int(factor) + half) >> shift, np.int64)


def _between_entries(here: I64, bits: int, end: int) -> I64:
    """The table at |here| / 2^bits, times 2^bits, on a line between its entries; behind: `end`."""
    size, table = np.abs(here), _sigmoids()
    place, part = np.minimum(size >> bits, 254), size & ((1 << bits) - 1)
    return np.where(size >> bits >= 255, end, (table[place] << bits) + part * (table[place + 1] - table[place]))


def sigmoid(x: I64, scale: float) -> I64:
    """Sigmoid of x * scale.

    Source: Logistic of tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h.
    """
    here = _in_steps_of_the_table(x, scale)
    found = _between_entries(here, 9, 0x7FFF << 10)
    return np.asarray(np.where(here >= 0, found + (1 << 9), (1 << 25) - found + (1 << 9) - 1) >> 10, np.int64)


def tanh(x: I64, scale: float) -> I64:
    """Tanh of x * scale: 2 * sigmoid(2 * x * scale) - 1.

    Source: Tanh of tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h.
    """
    here = _in_steps_of_the_table(x, scale)
    found = _between_entries(here, 8, 0xFFFF << 8)
    return np.asarray(np.where(here >= 0, found - (1 << 23) + (1 << 7), -found + (1 << 23) + (1 << 7) - 1) >> 8, np.int64)


@cache
def _table(of: Callable[[F64], F64], low: float, high: float) -> I64:
    """A function at the ends of 512 intervals in 1/32768, less half of the error between them.

    Source: LUTPopulate of tensorflow/lite/kernels/internal/common.h.
    """
    step = (high - low) / _INTERVALS
    ends = np.asarray(low + step * np.arange(_INTERVALS + 1), np.float64)
    at, between = round_away(of(ends) * 32768), round_away(of(ends[:-1] + step / 2) * 32768)
    error = round_away((of(ends[1:]) * 32768 + at[:-1]) / 2) - between
    at[:-1] -= round_away(np.asarray(error / 2))
    return np.clip(at, -32768, 32767).astype(np.int64)


def _looked_up(x: I64, table: I64) -> I64:
    """A table at x of 16 bits, between its entries by a line (LUTLookup)."""
    place = 256 + (x >> 7)
    slope = table[place + 1] - table[place]
    return np.asarray(table[place] + ((slope * (x & 127) + 64) >> 7), np.int64)


def _exp(x: F64) -> F64:
    return np.exp(x)


def _one_over_more(x: F64) -> F64:
    return 1 / (1 + x)


def softmax(x: I64, scale: float, axis: int) -> I64:
    """Softmax of x * scale along an axis.

    Source: SoftmaxInt16 of tensorflow/lite/kernels/internal/reference/softmax.h.
    """
    below = scaled(x - x.max(axis, keepdims=True), multiplier(scale / (-_LEAST_EXPONENT / 65535)))
    powers = _looked_up(np.clip(below + 32767, -32768, 32767), _table(_exp, _LEAST_EXPONENT, 0.0))
    total = powers.sum(axis, keepdims=True)
    zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)  # leading zeros of 32 bits
    shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
    reciprocal = _looked_up(np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767), _table(_one_over_more, 0.0, 1.0))
    places = 31 - zeros
    return np.asarray(np.clip((powers * reciprocal + (np.int64(1) << (places - 1))) >> places, 0, 32767), np.int64)
