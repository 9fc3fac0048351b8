"""Running ranges and sums of squares of the channels of arrays: the same in any order."""

from __future__ import annotations

import math
import threading

import numpy as np

from edgeq.numerics.arrays import F32, F64, I64

#: numbers whose squares are added up at a time: as float64 they stay in a core's cache
AT_ONCE = 1 << 16


class RunningChannels:
    """What was seen of one value: running ranges, and sums of squares as integers.

    Both are the same in any order of the runs.
    """

    #: a mean square is counted in units of 2^-UNIT: a smaller one is no signal for an 8-bit grid
    #: beside channels of ordinary size. One of 2^LARGEST or more, of numbers beyond 5e8, counts as
    #: that
    UNIT, LARGEST = 60, 59
    #: bits of each part of a sum: int64 holds the sums of 2^23 runs
    PART = 40
    #: runs, and numbers, whose mean squares wait to be counted together
    RUNS, NUMBERS = 32, 1 << 14

    def __init__(self, axis: int, squares: bool) -> None:
        self.axis, self.squares = axis, squares
        self.low, self.high = np.zeros(0, np.float32), np.zeros(0, np.float32)
        #: int64 [parts, C], the lowest part first
        self.total = np.zeros((0, 0), np.int64)
        self.waiting: list[F64] = []
        self.runs, self.varies = 0, False
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()

    @property
    def is_sound(self) -> bool:
        """Whether every channel was seen, in finite values."""
        return bool(self.low.size) and not self.varies and bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    def add(self, array: F32) -> None:
        """Add the values of one run."""
        numbers, last = _by_channel(array, self.axis % array.ndim)
        low, high = numbers.min(int(not last), initial=0.0), numbers.max(int(not last), initial=0.0)
        square = _mean_squares(numbers, last) if self.squares else None
        with self.lock:
            self._widen(low, high, 1)
            if square is not None and not self.varies:
                self.waiting.append(square)
                if len(self.waiting) >= min(self.RUNS, self.NUMBERS / max(square.size, 1)):
                    self._add_up()

    def merge(self, other: RunningChannels) -> None:
        """Add what other sums have seen."""
        self.varies |= other.varies
        if other.runs:
            self._widen(other.low, other.high, other.runs)
        if not self.varies:
            other._add_up()
            self._add_whole(other.total)

    def _widen(self, low: F32, high: F32, runs: int) -> None:
        self.varies |= self.runs > 0 and low.shape != self.low.shape
        if not self.varies:
            self.low, self.high = (np.minimum(self.low, low), np.maximum(self.high, high)) if self.runs else (low, high)
            self.runs += runs

    def mean(self) -> F64:
        """The mean of the runs' mean squares for each channel; every run counts the same."""
        self._add_up()
        carry, found = np.zeros(self.low.shape, np.int64), np.zeros(self.low.shape)
        for place, part in enumerate(self.total):  # carries first: the parts of equal sums are equal then
            part = part + carry
            carry = part >> self.PART
            found += np.ldexp((part - (carry << self.PART)).astype(np.float64), place * self.PART - self.UNIT)
        return (found + np.ldexp(carry.astype(np.float64), len(self.total) * self.PART - self.UNIT)) / self.runs

    def _add_up(self) -> None:
        if self.waiting:
            self._add_whole(self._whole(np.stack(self.waiting)).sum(1))
            self.waiting = []

    def _add_whole(self, whole: I64) -> None:
        if whole.size:
            self.total = self.total + whole if self.total.size else whole

    def _whole(self, square: F64) -> I64:
        """Mean squares as whole numbers of units, in parts of PART bits: [parts, ...]."""
        left = np.rint(np.ldexp(np.where(np.isfinite(square), np.minimum(square, 2.0**self.LARGEST), 0), self.UNIT))
        parts = []
        for _ in range(-(-(self.UNIT + self.LARGEST) // self.PART)):
            above = np.floor(np.ldexp(left, -self.PART))
            parts.append((left - np.ldexp(above, self.PART)).astype(np.int64))
            left = above
        return np.stack(parts)


def _by_channel(array: F32, axis: int) -> tuple[F32, bool]:
    """The numbers as [C, n], or as [n, C] (True) where the channels lie last."""
    size, last = array.shape[axis], axis == array.ndim - 1
    numbers = array if last else np.moveaxis(array, axis, 0)
    shape = (math.prod(array.shape[:axis]), size) if last else (size, math.prod(array.shape) // max(size, 1))
    return numbers.reshape(shape), last


def _mean_squares(numbers: F32, last: bool) -> F64:
    """The mean square of each channel of [C, n], or of [n, C] (last), in float64.

    Few numbers are copied at once.
    """
    step = max(1, AT_ONCE // max(numbers.shape[1], 1))
    blocks = (numbers[start : start + step].astype(np.float64) for start in range(0, len(numbers), step))
    if last:
        return np.asarray(sum((np.einsum("nc,nc->c", wide, wide) for wide in blocks), np.zeros(numbers.shape[1])) / max(len(numbers), 1))
    sums = [np.einsum("cn,cn->c", wide, wide) for wide in blocks]
    return np.asarray(np.concatenate([*sums, np.zeros(0)]) / max(numbers.shape[1], 1), np.float64)
