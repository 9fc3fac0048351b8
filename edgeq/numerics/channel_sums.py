"""Sums by channel of an output that one layer makes: its grid may not serve all of the channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F64, AnyArray

#: channels of less than this share of the power of the strongest one are narrow: 30 dB, 5 bits
NARROW = 1e-3


@dataclass(frozen=True)
class NarrowChannels:
    """Channels beside each other that have little power against the strongest one."""

    #: the first of them
    first: int
    #: the last of them
    last: int
    #: their SQNR in dB, taken together
    sqnr_db: float

    @property
    def label(self) -> str:
        """What they are called."""
        return f"channels {self.first} to {self.last}" if self.last > self.first else f"channel {self.first}"


class ChannelSums:
    """Power of f and of f - q for each channel, over pairs of arrays of the same shape."""

    def __init__(self, axis: int, count: int) -> None:
        self.axis, self.count = axis, count
        self.signal: F64 = np.zeros(count)
        self.noise: F64 = np.zeros(count)

    def add(self, reference: AnyArray, other: AnyArray) -> None:
        """Add one pair; one whose axis has another size is left out."""
        if self.axis >= reference.ndim or reference.shape[self.axis] != self.count:
            return
        f, q = (np.moveaxis(array, self.axis, 0).reshape(self.count, -1).astype(np.float64) for array in (reference, other))
        finite = np.isfinite(f) & np.isfinite(q)
        self.signal += (np.where(finite, f, 0.0) ** 2).sum(1)
        self.noise += (np.where(finite, f - q, 0.0) ** 2).sum(1)

    def merge(self, other: ChannelSums) -> None:
        """Add the sums of other pairs."""
        self.signal += other.signal
        self.noise += other.noise

    def narrow(self) -> NarrowChannels | None:
        """The narrow channels.

        None: there are none, or they lie scattered, as channels that are hardly used do, and not
        side by side, as boxes beside scores.
        """
        found = np.flatnonzero((self.signal < NARROW * self.signal.max(initial=0.0)) & (self.signal > 0.0))
        if not found.size or found[-1] - found[0] != found.size - 1:
            return None
        noise = float(self.noise[found].sum())
        sqnr_db = math.inf if noise == 0.0 else 10 * math.log10(float(self.signal[found].sum()) / noise)
        return NarrowChannels(int(found[0]), int(found[-1]), sqnr_db)
