"""What error feedback multiplies errors with: triangular factors of second moments, by BLAS blocks.

For the damped moment H of a layer's input, in descending order of its diagonal, H = U D U^T with
unit upper triangular U. The factors are kept in the opposite order, where U is lower triangular and
Cholesky's: L D^(1/2). All of it is float32: the damping keeps the smallest eigenvalue at 1 and the
diagonal's mean at 1 / DAMPING, so that rounding changes H by far less than the damping does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray, Indices, Mask
from edgeq.numerics.rounding.few_rows import TILE, RowFeedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix

#: share of the mean of H's diagonal that is added to it, to keep the recursion stable for inputs
#: that hardly vary
DAMPING = 0.01
#: share of the mean of what H was before anything was subtracted, added as well: float64 knows the
#: difference to 2^-52 of it in each entry, and the norm of 2^12 columns to 2^-40
ROUNDING = 2.0**-36


@dataclass(frozen=True, eq=False)
class BlockFeedback:
    """The factor of one column block, of columns `first` to first + k - 1."""

    first: int
    #: the columns of the block in ascending order of the diagonal, from 0: [G, k]
    order: Indices
    #: L, unit lower triangular in that order; above the diagonal are zeros: [G, k, k]
    lower: F32
    #: D: [G, k]
    pivots: F32
    #: how many columns, from the first on, pass no error on and take none: inputs that are always 0
    alone: int = 0

    def inner(self, start: int, stop: int) -> F32:
        """The transpose of L among some columns: [G, k, k]."""
        return np.swapaxes(self.lower[:, start:stop, start:stop], 1, 2).copy()

    def passing(self, errors: F32) -> PassedByColumns:
        """What passes errors [G, k, C] on while they are filled in, the last column first."""
        return PassedByColumns(self, errors)

    def damped(self, rest: F32) -> F64:
        """r Hd r^T [G, C] for rows r [G, C, K], as far as this block goes."""
        rows, size, error = in_order(rest, self), self.order.shape[1], np.zeros(rest.shape[:2])
        for start in range(0, size, TILE):
            stop = min(start + TILE, size)
            alone = stop <= self.alone
            seen = rows[:, start:stop].copy() if alone else np.swapaxes(self.lower[:, start:, start:stop], 1, 2) @ rows[:, start:]
            seen *= seen
            seen *= self.pivots[:, start:stop, None]
            error += seen.sum(1, dtype=np.float64)
        return error


@dataclass(frozen=True, eq=False)
class PassedByColumns:
    """Errors that are passed on from column to column."""

    block: BlockFeedback
    errors: F32

    def beyond(self, start: int, stop: int) -> F32:
        """What columns start..stop-1 take of the errors from `stop` on: [G, stop - start, C]."""
        return np.asarray(np.swapaxes(self.block.lower[:, stop:, start:stop], 1, 2) @ self.errors[:, stop:])


#: the factors of some columns, from `first` on
Factors = BlockFeedback | RowFeedback


@dataclass(frozen=True, eq=False)
class Feedback:
    """The factors of the column blocks of a damped moment, in units of the damping."""

    blocks: tuple[Factors, ...]
    #: what was added to the diagonal, and the unit of all factors: [G]
    damping: F64


def feedback(moment: HalfMatrix) -> Feedback:
    """The factors that round_with_feedback takes, for the moment H of a layer's input.

    It is OPTQ's recursion without an inverse, LDLQ (Chee et al., arXiv:2307.13304, theorem 6).
    """
    diagonal, whole = moment.diagonal(), moment.diagonal(less=False)
    damping = DAMPING * np.maximum(diagonal.mean(-1), 0) + ROUNDING * whole.mean(-1) + 1e-30
    if moment.rows is not None:
        order, alone = _order(diagonal, whole == 0)
        return Feedback((RowFeedback.of(moment.centred_rows() / np.sqrt(damping)[:, None, None], order, alone),), damping)
    firsts = sorted({panel.end: panel.start for panel in reversed(moment.panels)}.items())
    return Feedback(tuple(_factor(moment, first, end, diagonal, damping, whole == 0) for end, first in firsts), damping)


def _factor(moment: HalfMatrix, first: int, end: int, diagonal: F64, damping: F64, still: Mask) -> BlockFeedback:
    """still: which inputs are always 0, [G, K]; their rows and columns of H are 0."""
    order, alone = _order(diagonal[:, first:end], still[:, first:end])
    try:
        lower = _sorted(moment, first, end, order, damping, np.float32)
        factorize(lower[:, alone:, alone:])
    except np.linalg.LinAlgError:  # rounding has made it indefinite: 53 bits do not
        wide = _sorted(moment, first, end, order, damping, np.float64)
        factorize(wide[:, alone:, alone:])
        lower = wide.astype(np.float32)
    roots = np.einsum("gkk->gk", lower).copy()
    lower /= roots[:, None, :]
    return BlockFeedback(first, order, lower, np.square(roots), alone)


def _order(diagonal: F64, still: Mask) -> tuple[Indices, int]:
    """The columns in ascending order of the diagonal, and how many of the first are always 0."""
    order = np.argsort(-diagonal, axis=-1, kind="stable")[:, ::-1]
    leading = np.cumprod(np.take_along_axis(still, order, -1), -1).sum(-1)
    return order, int(leading.min(initial=diagonal.shape[1])) // TILE * TILE  # whole tiles: the others are factorized as without


def in_order(array: AnyArray, block: Factors) -> AnyArray:
    """The block's columns of [G, C, K] in its order: [G, k, C]."""
    columns = np.ascontiguousarray(np.swapaxes(array[:, :, block.first : block.first + block.order.shape[1]], 1, 2))
    return columns[np.arange(len(columns))[:, None], block.order]


def _sorted(moment: HalfMatrix, first: int, end: int, order: Indices, damping: F64, kind: type[np.floating]) -> AnyArray:
    """The damped block in this order, in units of the damping; only its lower half is right."""
    place = np.argsort(order, axis=-1)
    result = np.zeros((moment.groups, end - first, end - first), kind)
    for index, panel in enumerate(moment.panels):
        if panel.end != end:
            continue
        part = (moment.part(index) / damping[:, None, None]).astype(kind)
        for group in range(moment.groups):
            rows, columns = place[group, panel.start - first : panel.stop - first], place[group, panel.start - first :]
            result[group][rows[:, None], columns] = part[group]
            result[group][columns[:, None], rows] = part[group].T
    np.einsum("gkk->gk", result)[...] += 1
    return result


def factorize(matrix: AnyArray) -> None:
    """Replace symmetric positive definite matrices [G, k, k] by their Cholesky factors, in place.

    Blocks of fixed size, one BLAS call each: the same numbers for any number of threads. Raises
    LinAlgError for matrices that are not positive definite.
    """
    size = matrix.shape[-1]
    for start in range(0, size, TILE):
        stop = min(start + TILE, size)
        if start:
            matrix[:, start:, start:stop] -= matrix[:, start:, :start] @ np.swapaxes(matrix[:, start:stop, :start], 1, 2)
        tile = np.linalg.cholesky(matrix[:, start:stop, start:stop])
        matrix[:, start:stop, start:stop] = tile
        matrix[:, start:stop, stop:] = 0
        if stop < size:
            inverse = np.linalg.inv(tile)
            matrix[:, stop:, start:stop] = matrix[:, stop:, start:stop] @ np.swapaxes(inverse, 1, 2)
