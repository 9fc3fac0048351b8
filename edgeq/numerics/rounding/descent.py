"""Move one code at a time to where the layer's output changes least, until none moves.

Error feedback rounds a column for the columns after it and never comes back to it. Sweeps over all
columns do: with all other codes as they are, the best code of a column is the nearest to
q + (r H)_k / (H_kk s) for the rest r = w - s q and the moment H of the layer's input. No move
raises r H r^T. Sources: Zhang et al., COMQ, arXiv:2403.07134; Behdin et al., QuantEase,
arXiv:2309.01885.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray, Mask
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.saturation import partners

#: sweeps after which the search ends in any case
SWEEPS = 32
#: columns whose moves reach all others in one matrix product
BLOCK = 32
#: a code moves if its distance to the wanted number shrinks by more than this, so that rounding
#: errors cannot move it back and forth
SURE = 1e-3
#: what no number that is divided by is below
TINY = float(np.finfo(np.float32).tiny)


def descend(weight: F32, moment: F32, steps: F32, codes: Codes, start: F32) -> F32:
    """Codes [G, C, K] from which no single move lowers the output error.

    weight [G, C, K]; moment [G, K, K], damped, since few samples do not say that a direction has no
    error at all; steps: scales [G, C, 1] or [G, C, K]; start: codes [G, C, K] that keep to the
    limits.
    """
    result = start.copy()
    free = np.flatnonzero(np.any(weight, axis=(0, 2)))  # rows that may still move
    for _ in range(SWEEPS):
        if not free.size:
            break
        own = _Rows(weight[:, free], steps[:, free], result[:, free], codes.of_rows(free), moment)
        moved = own.swept()
        result[:, free] = np.swapaxes(own.codes, 1, 2)
        free = free[moved]
    return result


def error_of(weight: F32, new: F32, moment: F32) -> F64:
    """r H r^T of each row r = weight - new: [G, C]."""
    rest = weight - new
    return np.asarray(np.einsum("gck,gck->gc", rest @ moment, rest, dtype=np.float64))


def least_squares(weight: F32, new: F32, moment: F32, shared: bool) -> F32:
    """The factor a [G, C] of each row for which a * new has the least output error.

    shared: one for all rows. 1 where there is none above 0.
    """
    seen = new @ moment
    above, below = (np.einsum("gck,gck->gc", seen, one, dtype=np.float64) for one in (weight, new))
    if shared:
        above, below = np.full_like(above, above.sum()), np.full_like(below, below.sum())
    good = (above > 0) & (below > 0)
    return np.where(good, above / np.where(good, below, 1.0), 1.0).astype(np.float32)


class _Rows:
    """Rows of each group while they are swept; they lie last, so that columns are contiguous."""

    def __init__(self, weight: F32, steps: F32, start: F32, allowed: Codes, matrix: F32) -> None:
        self.matrix, self.allowed = matrix, allowed
        self.steps, self.codes = _turned(np.broadcast_to(steps, weight.shape)), _turned(start)
        self.slope = matrix @ (_turned(weight) - self.steps * self.codes)
        self.kept = None if allowed.kept is None else _turned(allowed.kept)
        limited = allowed.limit is not None and allowed.pairs
        self.mates = partners(allowed.pairs, weight.shape[2]) if limited else None

    def swept(self) -> Mask:
        """Move codes in one sweep over all columns; returns which rows [C] moved."""
        moved = np.zeros(self.codes.shape[2], bool)
        for first in range(0, self.codes.shape[1], BLOCK):
            last = min(first + BLOCK, self.codes.shape[1])
            changes, own = np.zeros_like(self.slope[:, first:last]), self.slope[:, first:last].copy()
            for column in range(first, last):
                change = self._move(column, own[:, column - first])
                if change is not None:
                    changes[:, column - first] = change
                    own -= self.matrix[:, first:last, column, None] * change[:, None]
                    moved |= np.any(change, axis=0)
            self.slope -= self.matrix[:, :, first:last] @ changes
        return moved

    def _move(self, column: int, slope: F32) -> F32 | None:
        """Move the codes of a column; returns the change of its numbers [G, C], None: none."""
        now, step = self.codes[:, column], self.steps[:, column]
        pull = self.matrix[:, column, column, None] * step
        wanted = now + slope / np.where(np.abs(pull) > TINY, pull, TINY)  # steps have either sign
        code = self.allowed.nearest(wanted, *self._bounds(column))
        if self.kept is not None:
            code = code * self.kept[:, column]
        better = np.abs(wanted - code) < np.abs(wanted - now) - SURE
        if not better.any():
            return None
        moved = np.where(better, code, now)
        change = np.asarray((moved - now) * step, np.float32)
        self.codes[:, column] = moved
        return change

    def _bounds(self, column: int) -> tuple[F32 | float, F32 | float]:
        """The smallest and the largest code that each row of a column may have beside its mates."""
        low, high, limit = float(self.allowed.qmin), float(self.allowed.qmax), self.allowed.limit
        if self.mates is None or limit is None or not self.mates[column]:
            return low, high
        near = self.codes[:, self.mates[column]]
        lows = np.maximum(low, -limit - np.minimum(near.min(1), 0))
        return lows.astype(np.float32), np.minimum(high, limit - np.maximum(near.max(1), 0)).astype(np.float32)


def _turned(rows: AnyArray) -> AnyArray:
    return np.ascontiguousarray(np.swapaxes(rows, 1, 2))
