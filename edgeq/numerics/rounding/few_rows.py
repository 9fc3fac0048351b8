"""What error feedback multiplies errors with where few rows of inputs are known: no K x K matrix.

The moment of R rows in K columns has rank R. With Z, the rows in units of the damping, the damped
moment is I + Z^T Z = L D L^T with L_ij = z_i w_j below the diagonal, for w_j = P_(j-1) z_j / d_j,
d_j = 1 + z_j P_(j-1) z_j and P_j, the inverse of I + the sum of z_i z_i^T up to i = j (Sherman and
Morrison). The factors take K R numbers and K R^2 products instead of K^2 and K^3 / 3; an error is
passed on by way of R sums instead of to each column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray, Indices

#: columns from which on rows are worth keeping, and columns a row: with more rows, products of
#: matrices take no longer
LEAST_COLUMNS, COLUMNS_A_ROW = 512, 8
#: columns that are factorized at a time
TILE = 128


def most_rows(columns: int) -> int:
    """How many rows of so many columns are kept instead of their products."""
    return columns // COLUMNS_A_ROW if columns >= LEAST_COLUMNS else 0


@dataclass(frozen=True, eq=False)
class RowFeedback:
    """The factors of a damped moment of few rows; see BlockFeedback (factors.py)."""

    #: the columns in ascending order of the diagonal: [G, K]
    order: Indices
    #: Z in that order, and W: [G, R, K]
    rows: F32
    passed: F32
    #: D: [G, K]
    pivots: F32
    #: how many columns, from the first on, pass no error on and take none: inputs that are always 0
    alone: int
    first: int = 0

    @classmethod
    def of(cls, rows: F64, order: Indices, alone: int) -> RowFeedback:
        """The factors for rows Z [G, R, K] in units of the damping, in their own order."""
        sorted_rows = np.take_along_axis(rows, order[:, None], 2)
        groups, count, size = sorted_rows.shape
        passed, pivots = np.zeros_like(sorted_rows), np.ones((groups, size))
        left = np.broadcast_to(np.eye(count), (groups, count, count)).copy()  # P
        for start in range(alone, size, TILE):
            tile = sorted_rows[:, :, start : start + TILE]
            seen = left @ tile
            roots = np.linalg.cholesky(np.eye(tile.shape[2]) + np.swapaxes(tile, 1, 2) @ seen)  # L D^(1/2) of these columns
            halves = seen @ np.swapaxes(np.linalg.inv(roots), 1, 2)  # W D^(1/2)
            left -= halves @ np.swapaxes(halves, 1, 2)
            diagonal = np.einsum("gkk->gk", roots)
            passed[:, :, start : start + TILE] = halves / diagonal[:, None]
            pivots[:, start : start + TILE] = np.square(diagonal)
        return cls(order, sorted_rows.astype(np.float32), passed.astype(np.float32), pivots.astype(np.float32), alone)

    def inner(self, start: int, stop: int) -> F32:
        """The transpose of L among columns [G, k, k]; only what is above its diagonal counts."""
        return np.asarray(np.swapaxes(self.passed[:, :, start:stop], 1, 2) @ self.rows[:, :, start:stop])

    def passing(self, errors: F32) -> PassedByRows:
        """What passes errors [G, K, C] on while they are filled in, the last column first."""
        return PassedByRows(self, errors)

    def damped(self, rest: F32) -> F64:
        """r Hd r^T for rows r [G, C, K]: |r|^2 + |Z r|^2."""
        own = np.empty_like(self.rows)
        np.put_along_axis(own, self.order[:, None], self.rows, 2)
        seen = rest @ np.swapaxes(own, 1, 2)
        return np.asarray(np.square(rest).sum(-1, dtype=np.float64) + np.square(seen).sum(-1, dtype=np.float64), np.float64)


class PassedByRows:
    """Sums of the errors so far, one for each row of inputs."""

    def __init__(self, factors: RowFeedback, errors: F32) -> None:
        self._factors, self._errors, self._done = factors, errors, errors.shape[1]
        self._sums = np.zeros((errors.shape[0], factors.rows.shape[1], errors.shape[2]), np.float32)

    def beyond(self, start: int, stop: int) -> AnyArray:
        """What columns start..stop-1 take of the errors from `stop` on: [G, stop - start, C]."""
        self._sums += self._factors.rows[:, :, stop : self._done] @ self._errors[:, stop : self._done]
        self._done = stop
        return np.asarray(np.swapaxes(self._factors.passed[:, :, start:stop], 1, 2) @ self._sums)
