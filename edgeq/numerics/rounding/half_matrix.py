"""Symmetric matrices of which one half is kept, in panels of rows.

A panel holds rows start..stop-1 from the diagonal to the end of their column block. Products of
columns of different blocks are not kept: matrices of up to WIDEST columns are one block, wider ones
several of about equal width.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from edgeq.numerics.arrays import F64, AnyArray

#: columns of the widest matrix that is kept as a whole. Without the products between the blocks of
#: a wider one, the errors of rounding are passed on within a block only
WIDEST = 4096
#: rows of a panel
ROWS = 256


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


def release(part: AnyArray) -> None:
    """Let the pages of a mapped array leave the memory; its numbers stay in its file."""
    mapped = getattr(part, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


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
    #: [G, R, K]: the few rows of whole numbers whose products the parts would be, which are then
    #: not made; what is subtracted is the share of their mean, if anything is. None: the parts are
    #: there
    rows: AnyArray | None = None

    @classmethod
    def of(cls, dense: F64, unit: int = 1) -> Self:
        """The half of dense matrices [G, K, K], without a copy. unit: see panels_of."""
        panels = panels_of(dense.shape[-1], unit)
        parts = [dense[:, one.start : one.stop, one.start : one.end] for one in panels]
        return cls(dense.shape[0], dense.shape[-1], panels, parts)

    def part(self, index: int) -> F64:
        """A panel in its real unit: [G, rows, columns]."""
        panel = self.panels[index]
        if self.rows is None:
            stored = self.parts[index]
        else:
            wide = self.rows.astype(np.float64)  # exact: few products of codes of 8 bits
            stored = np.swapaxes(wide[:, :, panel.start : panel.stop], 1, 2) @ wide[:, :, panel.start : panel.end]
        found = np.multiply(stored, self.unit, dtype=np.float64)
        if self.less:
            vectors = np.stack([vector for _, vector in self.less], 1)  # [G, n, K]
            weighted = vectors[:, :, panel.start : panel.stop] * np.array([weight for weight, _ in self.less])[:, None]
            found -= np.swapaxes(weighted, 1, 2) @ vectors[:, :, panel.start : panel.end]
        release(stored)
        return found

    def diagonal(self, *, less: bool = True) -> F64:
        """[G, K]. less: whether with what is subtracted."""
        found = np.empty((self.groups, self.size))
        if self.rows is not None:
            found[...] = np.square(self.rows, dtype=np.int64).sum(1) * self.unit
        for panel, stored in zip(self.panels, self.parts, strict=True) if self.rows is None else ():
            rows = slice(panel.start, panel.stop)
            found[:, rows] = np.einsum("gkk->gk", stored[:, :, : panel.stop - panel.start]) * self.unit
        for weight, vector in self.less if less else ():
            found -= weight * vector * vector
        return found

    def centred_rows(self) -> F64:
        """The rows in real units, less their mean if it is subtracted: H is their product."""
        assert self.rows is not None
        wide = self.rows.astype(np.float64)
        return np.asarray((wide - wide.mean(1, keepdims=True) if self.less else wide) * np.sqrt(self.unit), np.float64)

    def dense(self) -> F64:
        """[G, K, K]; products of columns of different blocks are 0."""
        found = np.zeros((self.groups, self.size, self.size))
        for index, panel in enumerate(self.panels):
            part = self.part(index)
            found[:, panel.start : panel.end, panel.start : panel.stop] = np.swapaxes(part, 1, 2)
            found[:, panel.start : panel.stop, panel.start : panel.end] = part
        return found
