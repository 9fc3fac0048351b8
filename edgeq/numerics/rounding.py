"""Round weights with the data in view: the closed-form recursion of OBQ and OPTQ, batched.

Sources: arXiv:2208.11580, arXiv:2210.17323. A layer computes W x. Rounding W to codes Q at scale s
changes its output by (W - sQ) x. The expected square of that is the sum of r H r^T over the rows r
of W - sQ, with H = E[x x^T]. Columns are rounded one after the other; each error is passed on to
the columns that are still free, in the way that increases the sum least. Where the layer has a
bias, it can take up the mean error, so H may be the covariance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, Indices, Mask
from edgeq.numerics.grid import next_power_of_two
from edgeq.numerics.saturation import limit_pairs, partners, worst_pairs

#: maps scales to allowed scales that are not smaller
Snap = Callable[[F32], F32]
#: share of the mean of H's diagonal that is added to it, to keep the recursion stable for inputs
#: that hardly vary
DAMPING = 0.01
#: columns that are corrected for all errors before them in one matrix product
BLOCK = 96
#: scales to try, as multiples of the one that spans the row
FACTORS = np.linspace(1.0, 0.6, 17)
#: the same for one scale that all rows share: a single row must not make all others coarse
SHARED_FACTORS = np.geomspace(1.0, 1 / 16, 33)


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes that weights may take."""

    #: the smallest and the largest code
    qmin: int
    qmax: int
    #: neighbouring columns, whose codes have a limit together: pairs of indices for each order of
    #: columns
    pairs: tuple[Indices, ...]
    #: the largest |a| + |b| of neighbours of one sign; None: no limit
    limit: int | None
    #: whether scales must be powers of two
    power_of_two: bool = False
    #: bool [G, C, K]: weights that are False get code 0; None: all are kept
    kept: Mask | None = None

    def snap(self, scale: F32) -> F32:
        """Allowed scales, none of them smaller than the given ones."""
        return next_power_of_two(scale) if self.power_of_two else scale

    def fit(self, codes: F32) -> F32:
        """Clip codes [..., K] to what is allowed, in place."""
        np.clip(codes, self.qmin, self.qmax, out=codes)
        return codes if self.limit is None else limit_pairs(codes, self.pairs, self.limit)

    def all_nearest(self, wanted: F32) -> F32:
        """The nearest code to each number of [G, C, K]."""
        rounded = self.fit(np.rint(wanted))
        return rounded if self.kept is None else rounded * self.kept

    def nearest(self, wanted: F64, low: F64 | float, high: F64 | float) -> F64:
        """The nearest code within low..high to each number of one column [G, C]."""
        return np.asarray(np.clip(np.rint(wanted), low, high))


def scales_for(weight: F32, importance: F64, codes: Codes, shared: bool, snap: Snap | None = None) -> F32:
    """Scales [G, C] with the least weighted squared error of nearest rounding.

    weight [G, C, K]; importance [G, K]: diagonal of H. No scale is so small that neighbours would
    have to be cut: cutting errs in one direction and costs far more than coarser steps. shared: one
    scale for all rows. snap: maps scales to allowed scales that are not smaller; by default
    codes.snap.
    """
    snap = snap or codes.snap
    peak = np.abs(weight).max(-1, initial=0.0)
    if shared:
        peak = np.full_like(peak, peak.max(initial=0.0))
    span = np.where(peak > 0, peak / codes.qmax, 1.0).astype(np.float32)
    floor = np.zeros_like(span) if codes.limit is None else worst_pairs(weight, codes.pairs) / np.float32(codes.limit - 1)
    if shared:
        floor = np.full_like(floor, floor.max(initial=0.0))
    best = np.full(peak.shape, np.inf)
    chosen = snap(np.maximum(span, floor))
    sensitivity = importance.astype(np.float32)
    scratch = np.empty_like(weight)
    for factor in SHARED_FACTORS if shared else FACTORS:
        scale = snap(np.maximum(span * np.float32(factor), floor))
        np.divide(weight, scale[..., None], out=scratch)
        np.rint(scratch, out=scratch)
        np.clip(scratch, codes.qmin, codes.qmax, out=scratch)  # above the floor neighbours need no cutting
        scratch *= scale[..., None]
        scratch -= weight
        np.square(scratch, out=scratch)
        error = np.einsum("gck,gk->gc", scratch, sensitivity, dtype=np.float64)
        if shared:
            error = np.full_like(error, error.sum())
        better = error < best
        best[better], chosen[better] = error[better], scale[better]
    return chosen


#: what `feedback` computes from a moment: its triangular factor and the order of its columns
Feedback = tuple[F64, Indices]


def round_with_feedback(weight: F32, moment: F64, scale: F32, codes: Codes, passed_on: Feedback | None = None) -> F32:
    """Round a weight with error feedback to codes [G, C, K], whole numbers in float32.

    weight [G, C, K], moment H [G, K, K], scale [G, C]. A row whose error r H r^T would be larger
    than that of nearest rounding is rounded to nearest. passed_on: feedback(moment), if known.

    >>> weight = np.array([[[0.6, 0.6]]], np.float32)
    >>> alike = np.array([[[1.0, 0.9], [0.9, 1.0]]])  # two inputs that move together
    >>> round_with_feedback(weight, alike, np.ones((1, 1), np.float32), Codes(-127, 127, (), None))
    array([[[1., 0.]]], dtype=float32)
    """
    nearest = codes.all_nearest(weight / scale[..., None])
    fed_back = _recursion(weight.astype(np.float64), passed_on or feedback(moment), scale.astype(np.float64), codes)
    worse = output_error(weight, fed_back, scale, moment) > output_error(weight, nearest, scale, moment)
    return np.where(worse[..., None], nearest, fed_back)


def output_error(weight: F32, codes: F32, scale: F32, moment: F64) -> F64:
    """r H r^T of each row r = weight - scale * codes: [G, C]."""
    rest = weight.astype(np.float64) - codes.astype(np.float64) * scale[..., None]
    return np.asarray(np.einsum("gck,gck->gc", rest @ moment, rest))


def _recursion(weight: F64, passed_on: Feedback, scale: F64, codes: Codes) -> F32:
    """Round column after column, each corrected for the errors of the columns before it."""
    size = weight.shape[-1]
    factor, order = passed_on
    rows = np.take_along_axis(weight, order[:, None, :], -1)
    result, errors = np.zeros_like(rows), np.zeros_like(rows)
    limits = _Limits(codes, order, result)
    kept = None if codes.kept is None else np.take_along_axis(codes.kept, order[:, None, :], -1)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        wanted = rows[..., start:stop] + errors[..., :start] @ factor[:, :start, start:stop]
        for column in range(start, stop):
            low, high = limits.bounds(column)
            inside = errors[..., start:column] @ factor[:, start:column, column, None]
            code = codes.nearest((wanted[..., column - start] + inside[..., 0]) / scale, low, high)
            if kept is not None:
                code = code * kept[..., column]
            result[..., column] = code
            errors[..., column] = rows[..., column] - code * scale
    unsorted = np.empty_like(result)
    np.put_along_axis(unsorted, order[:, None, :], result, -1)
    return unsorted.astype(np.float32)


def feedback(moment: F64) -> Feedback:
    """The factor of a moment H that the recursion multiplies errors with, and the column order.

    The factor is the unit upper triangular U of the damped H = U D U^T, columns in descending order
    of H's diagonal; the order is [G, K]. The recursion is OPTQ's but needs no inverse: it is its
    equal LDLQ (Chee et al., arXiv:2307.13304, theorem 6).
    """
    diagonal = np.einsum("gkk->gk", moment)
    order = np.argsort(-diagonal, axis=-1, kind="stable")
    damping = DAMPING * diagonal.mean(-1) + 1e-30
    backwards = order[:, ::-1]
    turned = np.take_along_axis(np.take_along_axis(moment, backwards[:, :, None], 1), backwards[:, None, :], 2)
    turned = turned / damping[:, None, None] + np.eye(moment.shape[-1])
    upper = np.linalg.cholesky(turned)[:, ::-1, ::-1]
    return upper / np.einsum("gkk->gk", upper)[:, None, :], order


class _Limits:
    """The codes that a column may still take once its neighbours have theirs."""

    def __init__(self, codes: Codes, order: Indices, result: F64) -> None:
        self.codes, self.order, self.result = codes, order, result
        self.limited = codes.limit is not None and bool(codes.pairs)
        if self.limited:
            self.mates = partners(codes.pairs, order.shape[-1])
            self.place = np.argsort(order, axis=-1)

    def bounds(self, column: int) -> tuple[F64 | float, F64 | float]:
        low, high = float(self.codes.qmin), float(self.codes.qmax)
        if not self.limited or self.codes.limit is None:
            return low, high
        lows, highs = np.full(self.result.shape[:2], low), np.full(self.result.shape[:2], high)
        for group, original in enumerate(self.order[:, column].tolist()):
            for mate in self.mates[original]:
                taken = self.place[group, mate]
                if taken < column:
                    code = self.result[group, :, taken]
                    highs[group] = np.where(code > 0, np.minimum(highs[group], self.codes.limit - code), highs[group])
                    lows[group] = np.where(code < 0, np.maximum(lows[group], -self.codes.limit - code), lows[group])
        return lows, highs
