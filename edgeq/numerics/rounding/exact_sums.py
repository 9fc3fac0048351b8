"""Exact sums of products of whole numbers, of which one half is kept, in panels of rows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np

from edgeq.numerics.arrays import AnyArray, Indices
from edgeq.numerics.rounding.half_matrix import Panel, release

#: float32 adds whole numbers exactly while all sums stay below this
EXACT = 1 << 24
#: sums below this fit into int32
NARROW = 1 << 31
#: share of columns that are not all zeros up to which these are left out
DENSE = 0.75
#: rows of codes of 8 bits less a zero point whose products cannot reach EXACT
SAFE_ROWS = 256


def mapped_zeros(shape: tuple[int, ...], kind: type[np.integer]) -> AnyArray:
    """Zeros in a temporary file that is mapped into memory; it goes with the array."""
    with tempfile.TemporaryFile(prefix="edgeq-") as file:
        return np.memmap(file, kind, "w+", shape=shape)


class ExactSums:
    """Sums of times * x x^T over rows x of whole numbers below 256: the same in any order.

    Entries are int32 until one could reach 2^31, then int64. As long as rows are few, they are kept
    instead: that takes less room, and what follows less time.
    """

    def __init__(self, groups: int, panels: Sequence[Panel], spilled: bool = False, few: int = 0) -> None:
        """spilled: whether the sums lie in a mapped file, of which little stays in memory.

        few: how many rows are kept.
        """
        self.panels, self._spilled, self._groups, self._few = tuple(panels), spilled, groups, few
        #: the rows so far, [G, R, K] each; None: there were too many
        self._rows: list[AnyArray] | None = [] if few else None
        #: [G, rows, columns] of each panel; none while rows are kept
        self.parts: list[AnyArray] = [] if few else self._no_sums()
        self._reach = 0

    def kept_rows(self) -> AnyArray | None:
        """All rows [G, R, K], in an order that does not depend on how they came; None: too many."""
        if not self._rows:
            if self._rows is not None:
                self._multiply()
            return None
        rows = np.concatenate(self._rows, axis=1)
        each = [rows[:, place].tobytes() for place in range(rows.shape[1])]
        return np.asarray(rows[:, sorted(range(len(each)), key=each.__getitem__)])

    def add(self, codes: AnyArray, times: int = 1) -> None:
        """Add the products of rows [G, R, K] of any type; few columns at a time become float32.

        Columns of zeros alone, such as those of a dilated kernel's taps that lie outside of a small
        picture, cost nothing where they are many.
        """
        if self._rows is not None:
            if times == 1 and codes.shape[1] + sum(one.shape[1] for one in self._rows) <= self._few:
                self._rows.append(codes.astype(np.int16))
                return
            self._multiply()
        used = np.flatnonzero(codes.any((0, 1)))
        if used.size > DENSE * codes.shape[2]:
            used = np.arange(codes.shape[2])
        else:
            codes = codes[:, :, used]
        for piece, reach in _exact_pieces(codes):
            self._reaches(reach * times)
            self._add_piece(piece, used, times)

    def _add_piece(self, piece: AnyArray, used: Indices, times: int) -> None:
        """Add the products of codes [G, R, k]. used: their columns in the matrix, ascending."""
        first = end = 0
        block = np.zeros(0, np.float32)
        for panel, part in zip(self.panels, self.parts, strict=True):
            low, middle, high = np.searchsorted(used, (panel.start, panel.stop, panel.end)).tolist()
            if panel.end != end:  # the first panel of a column block
                first, end = low, panel.end
                block = piece[:, :, low:high].astype(np.float32, copy=False)
            right = block[:, :, low - first :]
            product = np.swapaxes(right[:, :, : middle - low], 1, 2) @ right
            whole = product.astype(part.dtype)
            whole = whole if times == 1 else whole * times
            if product.shape == part.shape:
                part += whole
            else:
                part[:, (used[low:middle] - panel.start)[:, None], used[low:high] - panel.start] += whole
            release(part)

    def merge(self, other: ExactSums) -> None:
        """Add the sums of other rows, of the same panels."""
        if other._rows is not None:
            for rows in other._rows:
                self.add(rows)
            return
        if self._rows is not None:
            self._multiply()
        self._reaches(other._reach)
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine += theirs.astype(mine.dtype, copy=False)
            release(mine)

    def _multiply(self) -> None:
        """Go over from rows to their products."""
        rows, self._rows, self.parts = self._rows or [], None, self._no_sums()
        for one in rows:
            self.add(one)

    def _no_sums(self) -> list[AnyArray]:
        return [self._zeros((self._groups, one.stop - one.start, one.end - one.start), np.int32) for one in self.panels]

    def _reaches(self, more: int) -> None:
        """Entries may grow by so much."""
        self._reach += more
        if self._reach >= NARROW and self.parts and self.parts[0].dtype == np.int32:
            for index, part in enumerate(self.parts):  # one by one: not all are there twice
                self.parts[index] = self._wider(part)

    def _wider(self, part: AnyArray) -> AnyArray:
        wide = self._zeros(part.shape, np.int64)
        wide[...] = part
        return wide

    def _zeros(self, shape: tuple[int, ...], kind: type[np.integer]) -> AnyArray:
        return mapped_zeros(shape, kind) if self._spilled else np.zeros(shape, kind)


def sums_bytes(groups: int, panels: Sequence[Panel]) -> int:
    """The bytes that sums take as int32."""
    return 4 * groups * sum((one.stop - one.start) * (one.end - one.start) for one in panels)


def _exact_pieces(codes: AnyArray) -> list[tuple[AnyArray, int]]:
    """Codes [G, R, K] in pieces of rows whose products float32 adds exactly in any order.

    With each comes the largest sum of squares of a column, which no sum of products exceeds
    (Cauchy and Schwarz, for the magnitudes of all terms).
    """
    found, first, squares = [], 0, np.zeros(0)
    starts = range(0, codes.shape[1], SAFE_ROWS)
    for start in starts:
        rows = codes[:, start : start + SAFE_ROWS].astype(np.float32, copy=False)
        more = np.einsum("grk,grk->gk", rows, rows)  # exact: a piece of so few rows is
        if start > first and float((squares + more).max(initial=0.0)) >= EXACT:
            found.append((codes[:, first:start], int(squares.max(initial=0.0))))
            first = start
        squares = more.astype(np.float64) if start == first else squares + more
    if codes.shape[1]:
        found.append((codes[:, first:], int(squares.max(initial=0.0))))
    return found
