"""The recursion that rounds column after column and passes each error on to the columns left.

Rows lie last in all arrays here, [G, K, C], so that a column is contiguous; float32 throughout.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray, Mask
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import TILE, BlockFeedback, Feedback
from edgeq.numerics.saturation import partners

#: columns that are corrected for all errors before them in one matrix product
BLOCK = 32


def feed_back(weight: F32, passed_on: Feedback, steps: F32, codes: Codes) -> tuple[F32, F64]:
    """The codes of error feedback [G, C, K], and r Hd r^T [G, C] for the damped moment Hd.

    weight [G, C, K]; steps: scales [G, C, 1] or [G, C, K]. Errors are in units of the damping.
    """
    result = np.zeros((weight.shape[0], weight.shape[2], weight.shape[1]), np.float32)
    limits, error = _Limits(codes, result), np.zeros(weight.shape[:2])
    for block in passed_on.blocks:
        error += _round_block(block, weight, steps, codes, limits)
    return np.ascontiguousarray(np.swapaxes(result, 1, 2)), error


def damped_error(rest: F32, passed_on: Feedback) -> F64:
    """r Hd r^T for rows r [G, C, K] and the damped moment Hd, in units of the damping: [G, C]."""
    error = np.zeros(rest.shape[:2])
    for block in passed_on.blocks:
        rows, size = _in_order(rest, block), block.order.shape[1]
        for start in range(0, size, TILE):
            stop = min(start + TILE, size)
            seen = np.swapaxes(block.lower[:, start:, start:stop], 1, 2) @ rows[:, start:]
            seen *= seen
            seen *= block.pivots[:, start:stop, None]
            error += seen.sum(1, dtype=np.float64)
    return error


def _round_block(block: BlockFeedback, weight: F32, steps: F32, codes: Codes, limits: _Limits) -> F64:
    """Round the columns of a block, the last in its order first; returns r Hd r^T."""
    rows, scale = _in_order(weight, block), _steps(steps, block)
    kept = None if codes.kept is None else _in_order(codes.kept, block)
    errors, found = np.zeros_like(rows), np.zeros(weight.shape[:2])
    for stop in range(rows.shape[1], 0, -BLOCK):
        start = max(0, stop - BLOCK)
        wanted = rows[:, start:stop] + np.swapaxes(block.lower[:, stop:, start:stop], 1, 2) @ errors[:, stop:]
        inner = np.swapaxes(block.lower[:, start:stop, start:stop], 1, 2).copy()
        for column in range(stop - 1, start - 1, -1):
            place, after = column - start, column + 1
            goal = wanted[:, place]
            if after < stop:
                goal += (inner[:, place, None, place + 1 :] @ errors[:, after:stop])[:, 0]
            step = scale[:, column if scale.shape[1] > 1 else 0]
            code = codes.nearest(goal / step, *limits.bounds(block, column))
            if kept is not None:
                code = code * kept[:, column]
            limits.take(block, column, code)
            real = code * step
            errors[:, column] = rows[:, column] - real
            goal -= real
        wanted *= wanted
        wanted *= block.pivots[:, start:stop, None]
        found += wanted.sum(1, dtype=np.float64)
    return found


def _in_order(array: AnyArray, block: BlockFeedback) -> AnyArray:
    """The block's columns of [G, C, K] in its order: [G, k, C]."""
    columns = np.ascontiguousarray(np.swapaxes(array[:, :, block.first : block.first + block.order.shape[1]], 1, 2))
    return columns[np.arange(len(columns))[:, None], block.order]


def _steps(steps: F32, block: BlockFeedback) -> F32:
    """Scales [G, 1, C] or, where every column has its own, [G, k, C] in the block's order."""
    return np.ascontiguousarray(np.swapaxes(steps, 1, 2)) if steps.shape[2] == 1 else _in_order(steps, block)


class _Limits:
    """The codes so far, and those that a column may still take once its neighbours have theirs."""

    def __init__(self, codes: Codes, result: F32) -> None:
        """result [G, K, C]: receives the codes, columns in their own order."""
        self.codes, self.result = codes, result
        self.limited = codes.limit is not None and bool(codes.pairs)
        if self.limited:
            self.mates = partners(codes.pairs, result.shape[1])
            self.taken: Mask = np.zeros(result.shape[:2], bool)
        self.groups = np.arange(len(result))

    def take(self, block: BlockFeedback, column: int, code: F32) -> None:
        """Keep the codes [G, C] of a column."""
        own = block.order[:, column] + block.first
        self.result[self.groups, own] = code
        if self.limited:
            self.taken[self.groups, own] = True

    def bounds(self, block: BlockFeedback, column: int) -> tuple[F32 | float, F32 | float]:
        """The smallest and the largest code that each row of this column may have."""
        low, high = float(self.codes.qmin), float(self.codes.qmax)
        if not self.limited or self.codes.limit is None:
            return low, high
        limit, shape = np.float32(self.codes.limit), (self.result.shape[0], self.result.shape[2])
        lows, highs = np.full(shape, low, np.float32), np.full(shape, high, np.float32)
        for group, own in enumerate((block.order[:, column] + block.first).tolist()):
            for mate in self.mates[own]:
                if self.taken[group, mate]:
                    code = self.result[group, mate]
                    highs[group] = np.where(code > 0, np.minimum(highs[group], limit - code), highs[group])
                    lows[group] = np.where(code < 0, np.maximum(lows[group], -limit - code), lows[group])
        return lows, highs
