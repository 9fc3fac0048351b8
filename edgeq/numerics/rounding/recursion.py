"""The recursion that rounds column after column and passes each error on to the columns left.

Rows lie last in all arrays here, [G, K, C], so that a column is contiguous; float32 throughout.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import Factors, Feedback, in_order
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
    return sum((block.damped(rest) for block in passed_on.blocks), np.zeros(rest.shape[:2]))


def _round_block(block: Factors, weight: F32, steps: F32, codes: Codes, limits: _Limits) -> F64:
    """Round the columns of a block, the last in its order first; returns r Hd r^T."""
    rows, scale = in_order(weight, block), _steps(steps, block)
    places = (block.order + block.first).T.tolist()
    kept = None if codes.kept is None else in_order(codes.kept, block)
    errors, found = np.zeros_like(rows), np.zeros(weight.shape[:2])
    passing = block.passing(errors)
    for stop in range(rows.shape[1], 0, -BLOCK):
        start = max(0, stop - BLOCK)
        wanted, inner = rows[:, start:stop].copy(), block.inner(start, stop)
        if not (alone := stop <= block.alone):
            wanted += passing.beyond(start, stop)
        for column in range(stop - 1, start - 1, -1):
            place, after = column - start, column + 1
            goal = wanted[:, place]
            if after < stop and not alone:
                goal += (inner[:, place, None, place + 1 :] @ errors[:, after:stop])[:, 0]
            step, own = scale[:, column if scale.shape[1] > 1 else 0], places[column]
            code = codes.nearest(goal / step, *limits.bounds(own))
            if kept is not None:
                code *= kept[:, column]
            limits.take(own, code)
            code *= step
            np.subtract(rows[:, column], code, out=errors[:, column])
            goal -= code
        wanted *= wanted
        wanted *= block.pivots[:, start:stop, None]
        found += wanted.sum(1, dtype=np.float64)
    return found


def _steps(steps: F32, block: Factors) -> F32:
    """Scales [G, 1, C] or, where every column has its own, [G, k, C] in the block's order."""
    return np.ascontiguousarray(np.swapaxes(steps, 1, 2)) if steps.shape[2] == 1 else in_order(steps, block)


class _Limits:
    """The codes so far, and those that a column may still take once its neighbours have theirs."""

    def __init__(self, codes: Codes, result: F32) -> None:
        """result [G, K, C]: receives the codes, columns in their own order."""
        self.result, self.low, self.high = result, float(codes.qmin), float(codes.qmax)
        self.limit = np.float32(codes.limit) if codes.pairs and codes.limit is not None else None
        #: of each group, which columns have their codes; empty where no pair has a limit
        self.taken = [] if self.limit is None else [bytearray(result.shape[1]) for _ in result]
        self.mates = [] if self.limit is None else partners(codes.pairs, result.shape[1])

    def take(self, places: list[int], code: F32) -> None:
        """Keep the codes [G, C] of a column. places: where it is in the result, for each group."""
        if len(places) == 1:
            self.result[0, places[0]] = code[0]
        else:
            self.result[np.arange(len(places)), places] = code
        for taken, own in zip(self.taken, places, strict=True) if self.taken else ():
            taken[own] = True

    def bounds(self, places: list[int]) -> tuple[F32 | float, F32 | float]:
        """The smallest and the largest code that each row of this column may have."""
        if self.limit is None:
            return self.low, self.high
        met = [[mate for mate in self.mates[own] if self.taken[group][mate]] for group, own in enumerate(places)]
        if not any(met):
            return self.low, self.high
        most, least = np.zeros((2, self.result.shape[0], self.result.shape[2]), np.float32)
        for group, mates in enumerate(met):
            for mate in mates:
                np.maximum(most[group], self.result[group, mate], out=most[group])
                np.minimum(least[group], self.result[group, mate], out=least[group])
        # a mate of the other sign, or 0, sets no limit
        lows, highs = np.maximum(-self.limit - least, self.low), np.minimum(self.limit - most, self.high)
        if self.limit < max(self.high, -self.low):
            return np.where(least < 0, lows, np.float32(self.low)), np.where(most > 0, highs, np.float32(self.high))
        return lows, highs
