"""Round column after column with error feedback, following several ways at a time (K-best search).

Error feedback takes the nearest code of each column: Babai's nearest plane. Here every way goes on
with the two nearest codes of a column, and those ways stay whose error r Hd r^T over the columns so
far is least. It is the K-best search of lattice decoders (Guo and Nilsson,
doi:10.1109/JSAC.2005.862402).

Rows and ways lie last in all arrays here, [k, C, ways], so that a column is contiguous.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, I64, AnyArray
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import BlockFeedback, Feedback
from edgeq.numerics.rounding.with_feedback import error_under

#: ways that are followed at a time. At 4 bits, 8 lower a convolution's error on other samples by
#: 0.2 to 0.35 dB, 16 by 0.25 to 0.4
WAYS = 16
#: columns of the widest rows that are searched: the time grows with their square
WIDEST = 640
#: columns whose errors reach all others in one matrix product
BLOCK = 32
#: numbers of all ways that are held at a time
AT_ONCE = 1 << 21


def can_search(passed_on: Feedback, codes: Codes) -> bool:
    """Whether rows are short enough, and their codes whole numbers that no neighbour limits."""
    first = passed_on.blocks[0]
    short = len(passed_on.blocks) == 1 and isinstance(first, BlockFeedback) and first.order.shape[1] <= WIDEST
    return short and type(codes) is Codes and codes.limit is None and codes.kept is None


def best_of_ways(weight: F32, passed_on: Feedback, steps: F32, codes: Codes, start: F32) -> F32:
    """The codes [G, C, K] of the best way for each row, for a layer that can_search.

    weight [G, C, K]; steps: scales [G, C, 1] or [G, C, K]; start: codes of rows that keep them
    where no way has a lower error r H r^T.
    """
    (block,) = passed_on.blocks
    assert isinstance(block, BlockFeedback)
    result, steps = np.zeros_like(weight), np.broadcast_to(steps, weight.shape)
    together = max(1, AT_ONCE // max(WAYS * weight.shape[2], 1))
    for group, order in enumerate(block.order):
        for first in range(0, weight.shape[1], together):
            rows = slice(first, first + together)
            wanted, step = (np.ascontiguousarray(array[group, rows].T)[order] for array in (weight, steps))
            found = _search(wanted, step, block.lower[group], block.pivots[group], codes)
            result[group, rows, order] = found
    errors = [error_under(weight - steps * found, passed_on) for found in (result, start)]
    return np.where((errors[0] < errors[1])[..., None], result, start)


def _search(weight: F32, steps: F32, lower: F32, pivots: F32, codes: Codes) -> F32:
    """Codes [K, C] of rows whose last column is rounded first."""
    rows = weight.shape[1]
    cost = np.zeros((rows, 1), np.float32)
    taken, errors = np.zeros((2, 0, rows, 1), np.float32)
    for stop in range(len(weight), 0, -BLOCK):
        own = slice(max(0, stop - BLOCK), stop)
        passed = lower[stop:, own].T @ errors.reshape(len(errors), cost.size)
        wanted = weight[own, :, None] + passed.reshape(-1, *cost.shape)
        part = _Columns(wanted, weight[own], steps[own], cost)
        for column in range(len(wanted) - 1, -1, -1):
            part.round(column, lower[own, own][column + 1 :, column], float(pivots[own][column]), codes)
        before, cost = part.before[None], part.cost
        taken = np.concatenate([part.taken, np.take_along_axis(taken, before, 2)])
        errors = np.concatenate([part.errors, np.take_along_axis(errors, before, 2)])
    return np.asarray(np.take_along_axis(taken, cost.argmin(1)[None, :, None], 2)[:, :, 0])


class _Columns:
    """A block of columns while it is rounded, and the ways through it."""

    def __init__(self, wanted: F32, weight: F32, steps: F32, cost: F32) -> None:
        """wanted [k, C, ways]: the columns, corrected for all errors behind the block."""
        self._wanted, self._weight, self._steps = wanted, weight, steps
        #: of each way: its error so far, in units of the damping, and the way it was before the
        #: block, [C, ways]
        self.cost, self.before = cost, np.broadcast_to(np.arange(cost.shape[1]), cost.shape)
        #: codes and errors of the columns that are rounded, [k', C, ways]
        self.taken, self.errors = np.zeros((2, 0, *cost.shape), np.float32)

    def round(self, column: int, passed_on: F32, pivot: float, codes: Codes) -> None:
        """Go on with the two nearest codes of a column, and keep the best ways.

        passed_on [k']: what each error of the columns behind it in the block adds to the column.
        """
        goal = np.take_along_axis(self._wanted[column], self.before, 1)
        goal += (passed_on @ self.errors.reshape(len(passed_on), goal.size)).reshape(goal.shape)
        step = self._steps[column][:, None]
        numbers = goal / step
        near = codes.nearest(numbers, codes.qmin, codes.qmax)
        beside = np.clip(np.where(numbers > near, near + 1, near - 1), codes.qmin, codes.qmax)
        more = np.stack([near, beside], -1).astype(np.float32)
        cost = self.cost[..., None] + np.square(goal[..., None] - more * step[..., None]) * np.float32(pivot)
        cost[..., 1] = np.where(beside == near, np.inf, cost[..., 1])  # the same way twice
        self._keep(_best(cost.reshape(len(cost), -1)), cost, more)
        self.errors[0] = self._weight[column][:, None] - self.taken[0] * step

    def _keep(self, best: I64, cost: F32, more: F32) -> None:
        """best: the places of ways in cost and codes [C, 2 * ways], in which two follow on one."""
        self.cost, code = (np.take_along_axis(array.reshape(len(array), -1), best, 1) for array in (cost, more))
        parent = best // 2
        self.before = np.take_along_axis(self.before, parent, 1)
        self.taken, self.errors = (_and_one(np.take_along_axis(array, parent[None], 2)) for array in (self.taken, self.errors))
        self.taken[0] = code


def _best(cost: F32) -> I64:
    """The places of the WAYS least of each row."""
    if cost.shape[1] <= WAYS:
        return np.broadcast_to(np.arange(cost.shape[1]), cost.shape)
    return np.asarray(np.argpartition(cost, WAYS - 1, axis=1)[:, :WAYS])


def _and_one(array: AnyArray) -> AnyArray:
    """The array behind a new first column."""
    return np.concatenate([np.zeros_like(array, shape=(1, *array.shape[1:])), array])
