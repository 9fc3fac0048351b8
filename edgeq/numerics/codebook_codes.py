"""Codes from tables: what rounding may choose when weights are stored as a codebook."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F32, F64, AnyArray, Indices
from edgeq.numerics.rounding.codes import Codes


@dataclass(frozen=True, eq=False)
class TableCodes(Codes):
    """Codes that are entries of a table.

    Where neighbours have a limit, or weights are pruned, each table must contain 0.
    """

    #: float64 [G, C, k], or [1, 1, k] for all rows: the codes of each row, ascending; k is a power
    #: of two
    table: F64 = field(default_factory=lambda: np.zeros((1, 1, 1)))

    def all_nearest(self, wanted: F32) -> F32:
        """The nearest entry to each number of [G, C, K].

        Where two neighbours exceed the limit together, the larger one is replaced by an entry that
        fits.
        """
        chosen = self._entry(self._place(wanted))
        if self.kept is not None:
            chosen = chosen * self.kept
        if self.limit is not None:
            for group in self.pairs:
                self._take_back(chosen, group, self.limit)
        return chosen.astype(np.float32)

    def of_rows(self, rows: slice | Indices) -> TableCodes:
        """The entries for some rows of each group."""
        own = self.table if self.table.shape[:2] == (1, 1) else self.table[:, rows]
        return replace(self, table=own, kept=None if self.kept is None else self.kept[:, rows])

    def nearest(self, wanted: NDArray[np.floating], low: AnyArray | float, high: AnyArray | float) -> AnyArray:
        """The nearest entry within low..high to each number of one column [G, C]."""
        place = self._place(wanted[..., None])
        if isinstance(low, np.ndarray) and isinstance(high, np.ndarray):
            place = self._between(place, low[..., None], high[..., None])
        return self._entry(place)[..., 0]

    def places(self, codes: NDArray[np.floating]) -> Indices:
        """The index of each code [G, C, K] in its row's table."""
        return self._place(codes)

    def _place(self, wanted: NDArray[np.floating]) -> Indices:
        return _below((self.table[..., :-1] + self.table[..., 1:]) / 2, wanted, "left")

    def _entry(self, place: Indices) -> F64:
        if self.table.shape[:2] == (1, 1):
            return np.asarray(self.table[0, 0][place])
        return np.take_along_axis(self.table, place, -1)

    def _between(self, place: Indices, low: F64, high: F64) -> Indices:
        return np.clip(place, _below(self.table, low, "left"), _below(self.table, high, "right") - 1)

    def _take_back(self, codes: F64, pairs: Indices, limit: int) -> None:
        first, second = codes[..., pairs[:, 0]], codes[..., pairs[:, 1]]
        over = (first * second > 0) & (np.abs(first) + np.abs(second) > limit)
        if not over.any():
            return
        for own, other, side in ((first, second, 0), (second, first, 1)):
            larger = over & ((np.abs(own) > np.abs(other)) | ((np.abs(own) == np.abs(other)) & (side == 0)))
            room = limit - np.abs(other)
            fitting = self._entry(self._between(self._place(own), -room, room))
            codes[..., pairs[:, side]] = np.where(larger, fitting, own)


def _below(ordered: F64, wanted: NDArray[np.floating], side: Literal["left", "right"]) -> Indices:
    """np.searchsorted of wanted [G, C, P] in the numbers [G, C, n] of its row."""
    if ordered.shape[:2] == (1, 1):
        return np.searchsorted(ordered[0, 0], wanted, side)
    place, size = np.zeros(wanted.shape, np.intp), ordered.shape[-1]
    step = 1 << max(size.bit_length() - 1, 0)
    while step and size:
        after = place + step
        probe = np.take_along_axis(ordered, np.minimum(after, size) - 1, -1)
        further = (after <= size) & ((probe < wanted) if side == "left" else (probe <= wanted))
        place = np.where(further, after, place)
        step >>= 1
    return place
