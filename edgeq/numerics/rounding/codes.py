"""The codes that weights may take: their range, limits that neighbours share, pruning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F32, AnyArray, Indices, Mask
from edgeq.numerics.grid import next_power_of_two
from edgeq.numerics.saturation import limit_pairs

#: maps scales to allowed scales that are not smaller
Snap = Callable[[F32], F32]


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes that weights may take."""

    #: the smallest and the largest code
    qmin: int
    qmax: int
    #: neighbouring columns, whose codes have a limit together: pairs of indices for each order of
    #: columns
    pairs: tuple[Indices, ...]
    #: the largest |a| + |b| of neighbours of one sign; None: no limit
    limit: int | None
    #: whether scales must be powers of two
    power_of_two: bool = False
    #: bool [G, C, K]: weights that are False get code 0; None: all are kept
    kept: Mask | None = None

    def snap(self, scale: F32) -> F32:
        """Allowed scales, none of them smaller than the given ones."""
        return next_power_of_two(scale) if self.power_of_two else scale

    def fit(self, codes: F32) -> F32:
        """Clip codes [..., K] to what is allowed, in place."""
        np.clip(codes, self.qmin, self.qmax, out=codes)
        return codes if self.limit is None else limit_pairs(codes, self.pairs, self.limit)

    def all_nearest(self, wanted: F32) -> F32:
        """The nearest code to each number of [G, C, K]."""
        rounded = self.fit(np.rint(wanted))
        return rounded if self.kept is None else rounded * self.kept

    def nearest(self, wanted: NDArray[np.floating], low: AnyArray | float, high: AnyArray | float) -> AnyArray:
        """The nearest code within low..high to each number of one column [G, C]."""
        code = np.rint(wanted)
        np.maximum(code, low, out=code)
        return np.asarray(np.minimum(code, high, out=code))

    def of_rows(self, rows: slice | Indices) -> Codes:
        """The codes of some rows of each group."""
        return self if self.kept is None else replace(self, kept=self.kept[:, rows])
