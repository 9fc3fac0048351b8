"""Symmetric matrices of which one half is kept, in panels of rows, and exact sums of such.

A panel holds rows start..stop-1 from the diagonal to the end of their column block. Products of
columns of different blocks are not kept: matrices of up to WIDEST columns are one block, wider ones
several of about equal width.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from edgeq.numerics.arrays import F64, AnyArray, Indices

#: columns of the widest matrix that is kept as a whole. Without the products between the blocks of
#: a wider one, the errors of rounding are passed on within a block only
WIDEST = 4096
#: rows of a panel
ROWS = 256
#: float32 adds whole numbers exactly while all sums stay below this
EXACT = 1 << 24
#: sums below this fit into int32
NARROW = 1 << 31
#: share of columns that are not all zeros up to which these are left out
DENSE = 0.75
#: rows of codes of 8 bits less a zero point whose products cannot reach EXACT
SAFE_ROWS = 256


@dataclass(frozen=True)
class Panel:
    """Rows start..stop-1 of the half of one column block, which ends before column `end`."""

    start: int
    stop: int
    end: int


def panels_of(size: int, unit: int = 1, widest: int = WIDEST) -> tuple[Panel, ...]:
    """The panels of a matrix [size, size].

    unit: columns that stay together where the matrix has more than one block.

    >>> panels_of(4, widest=2)
    (Panel(start=0, stop=2, end=2), Panel(start=2, stop=4, end=4))
    """
    blocks = -(-size // widest)
    width = size if blocks == 1 else -(-size // (unit * blocks)) * unit
    return tuple(
        Panel(start, min(start + ROWS, end), end)
        for first in range(0, size, max(width, 1))
        for end in (min(first + width, size),)
        for start in range(first, end, ROWS)
    )


#: gives a file's worth of zeros of a type and shape
Room = Callable[[tuple[int, ...], type[np.integer]], AnyArray]


def mapped_zeros(shape: tuple[int, ...], kind: type[np.integer]) -> AnyArray:
    """Zeros in a temporary file that is mapped into memory; it goes with the array."""
    with tempfile.TemporaryFile(prefix="edgeq-") as file:
        return np.memmap(file, kind, "w+", shape=shape)


class ExactSums:
    """Sums of times * x x^T over rows x of whole numbers below 256: the same in any order.

    Entries are int32 until one could reach 2^31, then int64.
    """

    def __init__(self, groups: int, panels: Sequence[Panel], spilled: bool = False) -> None:
        """spilled: whether the sums lie in a mapped file, of which little stays in memory."""
        self.panels, self._spilled = tuple(panels), spilled
        #: [G, rows, columns] of each panel
        self.parts: list[AnyArray] = [self._zeros((groups, one.stop - one.start, one.end - one.start), np.int32) for one in self.panels]
        self._reach = 0

    def add(self, codes: AnyArray, times: int = 1) -> None:
        """Add the products of rows [G, R, K] of any type; few columns at a time become float32.

        Columns of zeros alone, such as those of a dilated kernel's taps that lie outside of a small
        picture, cost nothing where they are many.
        """
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
            _release(part)

    def merge(self, other: ExactSums) -> None:
        """Add the sums of other rows, of the same panels."""
        self._reaches(other._reach)
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine += theirs.astype(mine.dtype, copy=False)
            _release(mine)

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


def _release(part: AnyArray) -> None:
    """Let the pages of a mapped array leave the memory; its numbers stay in its file."""
    mapped = getattr(part, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


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


@dataclass(frozen=True, eq=False)
class HalfMatrix:
    """Symmetric matrices H [G, K, K]: unit * parts, less the outer products of some vectors."""

    groups: int
    size: int
    panels: tuple[Panel, ...]
    #: [G, rows, columns] of each panel
    parts: Sequence[AnyArray]
    #: what one of the parts' numbers stands for
    unit: float = 1.0
    #: weights w and vectors v [G, K]: the sum of w v v^T is subtracted
    less: tuple[tuple[float, F64], ...] = field(default=())

    @classmethod
    def of(cls, dense: F64, unit: int = 1) -> Self:
        """The half of dense matrices [G, K, K], without a copy. unit: see panels_of."""
        panels = panels_of(dense.shape[-1], unit)
        parts = [dense[:, one.start : one.stop, one.start : one.end] for one in panels]
        return cls(dense.shape[0], dense.shape[-1], panels, parts)

    def part(self, index: int) -> F64:
        """A panel in its real unit: [G, rows, columns]."""
        panel, stored = self.panels[index], self.parts[index]
        found = np.multiply(stored, self.unit, dtype=np.float64)
        if self.less:
            vectors = np.stack([vector for _, vector in self.less], 1)  # [G, n, K]
            weighted = vectors[:, :, panel.start : panel.stop] * np.array([weight for weight, _ in self.less])[:, None]
            found -= np.swapaxes(weighted, 1, 2) @ vectors[:, :, panel.start : panel.end]
        _release(stored)
        return found

    def diagonal(self, *, less: bool = True) -> F64:
        """[G, K]. less: whether with what is subtracted."""
        found = np.empty((self.groups, self.size))
        for panel, stored in zip(self.panels, self.parts, strict=True):
            rows = slice(panel.start, panel.stop)
            found[:, rows] = np.einsum("gkk->gk", stored[:, :, : panel.stop - panel.start]) * self.unit
        for weight, vector in self.less if less else ():
            found -= weight * vector * vector
        return found

    def dense(self) -> F64:
        """[G, K, K]; products of columns of different blocks are 0."""
        found = np.zeros((self.groups, self.size, self.size))
        for index, panel in enumerate(self.panels):
            part = self.part(index)
            found[:, panel.start : panel.end, panel.start : panel.stop] = np.swapaxes(part, 1, 2)
            found[:, panel.start : panel.stop, panel.start : panel.end] = part
        return found
