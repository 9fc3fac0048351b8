"""Round weights with the data in view: the closed-form recursion of OBQ and OPTQ, batched.

Sources: arXiv:2208.11580, arXiv:2210.17323. A layer computes W x. Rounding W to codes Q at scale s
changes its output by (W - sQ) x. The expected square of that is the sum of r H r^T over the rows r
of W - sQ, with H = E[x x^T]. Columns are rounded one after the other; each error is passed on to
the columns that are still free, in the way that increases the sum least. Where the layer has a
bias, it can take up the mean error, so H may be the covariance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import Feedback, feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.recursion import damped_error, feed_back

#: a row keeps the codes of error feedback if they have at most this share of nearest rounding's
#: error: less is within the rounding of float32
SURE = 1 - 1e-4
#: multiples of the scale with the least error of nearest rounding that are worth a try
FACTORS = (0.97, 0.94, 0.91, 0.88, 0.85, 1.03, 1.06, 1.09)
#: numbers of a weight that are rounded at a time, so that the memory does not grow with the rows
AT_ONCE = 1 << 21


def round_with_feedback(weight: F32, moment: F64, scale: F32, codes: Codes) -> F32:
    """Round a weight with error feedback to codes [G, C, K], whole numbers in float32.

    weight [G, C, K], moment H [G, K, K], scale [G, C]. A row whose error r H r^T would be larger
    than that of nearest rounding is rounded to nearest.

    >>> weight = np.array([[[0.6, 0.6]]], np.float32)
    >>> alike = np.array([[[1.0, 0.9], [0.9, 1.0]]])  # two inputs that move together
    >>> round_with_feedback(weight, alike, np.ones((1, 1), np.float32), Codes(-127, 127, (), None))
    array([[[1., 0.]]], dtype=float32)
    """
    return rounded_with_error(weight, feedback(HalfMatrix.of(moment)), scale, codes)[0]


def rounded_with_error(weight: F32, passed_on: Feedback, scale: F32, codes: Codes) -> tuple[F32, F64]:
    """The codes of round_with_feedback and their errors r H r^T [G, C].

    passed_on: feedback(H). scale: [G, C], or [G, C, K] where every column has its own.
    """
    result, error = np.empty_like(weight), np.empty(weight.shape[:2])
    step = max(1, AT_ONCE // max(weight.shape[0] * weight.shape[2], 1))
    for start in range(0, weight.shape[1], step):
        rows = slice(start, start + step)
        result[:, rows], error[:, rows] = _rounded(weight[:, rows], passed_on, scale[:, rows], codes.of_rows(rows))
    return result, error


def rounded_best(weight: F32, passed_on: Feedback, scales: Sequence[F32], codes: Codes, *, shared: bool) -> tuple[F32, F32]:
    """The scale [G, C] of each row, among some, and the codes that leave it the least r H r^T.

    The diagonal of H does not tell what feedback makes of a scale: where inputs move together,
    finer steps are worth a number that is cut. shared: one of the scales for all rows. The first of
    equals is taken.
    """
    scale, result = scales[0], np.zeros_like(weight)
    least = np.full(weight.shape[:2], np.inf)
    for tried in scales:
        found, error = rounded_with_error(weight, passed_on, tried, codes)
        if shared:
            error = np.full_like(error, error.sum())
        better = error < least
        least, scale = np.where(better, error, least), np.where(better, tried, scale)
        result = np.where(better[..., None], found, result)
    return scale, result


def _rounded(weight: F32, passed_on: Feedback, scale: F32, codes: Codes) -> tuple[F32, F64]:
    steps = scale if scale.ndim == 3 else scale[..., None]
    nearest = codes.all_nearest(weight / steps)
    rest = weight - steps * nearest
    other = damped_error(rest, passed_on) - np.square(rest).sum(-1, dtype=np.float64)
    fed_back, damped = feed_back(weight, passed_on, steps, codes)
    error = damped - np.square(weight - steps * fed_back).sum(-1, dtype=np.float64)
    worse = error > SURE * other
    chosen = np.where(worse[..., None], nearest, fed_back)
    return chosen, np.maximum(np.where(worse, other, error), 0) * passed_on.damping[:, None]


def error_under(rest: F32, passed_on: Feedback) -> F64:
    """r H r^T [G, C] of rows r = weight - what it became [G, C, K], for passed_on = feedback(H)."""
    error = damped_error(rest, passed_on) - np.square(rest).sum(-1, dtype=np.float64)
    return np.asarray(np.maximum(error, 0) * passed_on.damping[:, None], np.float64)


def output_error(weight: F32, codes: F32, scale: F32, moment: F64) -> F64:
    """r H r^T of each row r = weight - scale * codes: [G, C]."""
    rest = weight.astype(np.float64) - codes.astype(np.float64) * scale[..., None]
    return np.asarray(np.einsum("gck,gck->gc", rest @ moment, rest))
