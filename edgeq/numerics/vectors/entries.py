"""Entries of a table of vectors by least squares, while every vector keeps its entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, Indices
from edgeq.numerics.codebook_descent import WeightRows

#: the most sweeps over the entries
SWEEPS = 3


@dataclass(frozen=True, eq=False)
class Vectors:
    """The scales, the table, and the entry of every vector of a weight."""

    #: [G, C], float32
    scale: F32
    #: [k, d], whole numbers
    table: F64
    #: indices into the table, [G, C, B]: the vectors of a row
    places: Indices

    @property
    def codes(self) -> F32:
        """[G, C, K]."""
        return self.table[self.places].reshape(*self.places.shape[:2], -1).astype(np.float32)


def refitted(weights: WeightRows, fit: Vectors, reach: int) -> F64:
    """The table [k, d] of whole numbers up to `reach` with less error, or the same table.

    One entry after the other takes the least squares solution with all others as they are.
    """
    moment, (count, size) = weights.moment, fit.table.shape
    assert moment is not None
    groups, outputs, blocks = fit.places.shape
    rows, step = groups * outputs, fit.scale.reshape(-1).astype(np.float64)
    codes = fit.codes.reshape(groups, outputs, -1)
    slope = ((weights.rows - codes * fit.scale[..., None]).astype(np.float64) @ moment).reshape(rows, blocks, size)
    by_block = moment.reshape(groups, blocks, size, -1)
    where = np.argsort(fit.places.reshape(-1), kind="stable")
    ends = np.searchsorted(fit.places.reshape(-1)[where], np.arange(count + 1))
    members = [_Members.of(where[ends[at] : ends[at + 1]], blocks) for at in range(count)]
    table = fit.table.copy()
    for _ in range(SWEEPS):
        before = table.copy()
        for entry, own in enumerate(members):
            if not len(own.rows) or (weights.zero and not table[entry].any()):
                continue
            # what the own vectors of each row do to the slope of that row: [rows, d, blocks, d]
            seen = np.zeros((len(own.rows), size, blocks, size))
            group = own.rows[own.row] // outputs
            np.add.at(seen, own.row, by_block[group, own.block].reshape(-1, size, blocks, size))
            scale = step[own.rows]
            square = np.einsum("n,nij->ij", scale[own.row] ** 2, seen[own.row, :, own.block])
            wanted = np.einsum("n,ni->i", scale[own.row], slope[own.rows[own.row], own.block])
            damped = square + np.eye(size) * (np.trace(square) * 1e-9 + 1e-30)
            change = np.clip(np.rint(table[entry] + np.linalg.solve(damped, wanted)), -reach, reach) - table[entry]
            if change @ square @ change < 2 * change @ wanted:
                table[entry] += change
                slope[own.rows] -= scale[:, None, None] * np.einsum("i,nibj->nbj", change, seen)
        if np.array_equal(table, before):
            break
    return table


@dataclass(frozen=True, eq=False)
class _Members:
    """The vectors that are stored as one entry."""

    #: the rows that have any
    rows: Indices
    #: of each vector, the place of its row in `rows`, and its block
    row: Indices
    block: Indices

    @classmethod
    def of(cls, vectors: Indices, blocks: int) -> _Members:
        """vectors: their numbers, all rows one after the other."""
        rows, row = np.unique(vectors // blocks, return_inverse=True)
        return cls(rows, row.reshape(-1), vectors % blocks)
