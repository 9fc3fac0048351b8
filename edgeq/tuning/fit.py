"""Fit the figures of a kind of work to measured times: least squares without negative figures."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F64

#: shorter times are believed to this many nanoseconds only
LEAST_NS = 500.0
#: weighted fits, one after the other
ROUNDS = 12
#: errors below this share of a time weigh alike
CLOSE = 0.03
#: sweeps over all figures; each lowers the error, and the last ones by next to nothing
SWEEPS = 2_000
#: a sweep that changes no figure by more than this share ends the fit
STILL = 1e-7


def fit(counts: F64, times: F64) -> F64:
    """The figures x >= 0 that minimize the sum of |counts @ x - times| / times.

    counts: [measurements, figures]; times: [measurements], in nanoseconds. Shares of the times are
    minimized, because short nodes matter as much as long ones; not their squares, because a
    measurement that other work on the machine disturbed must not bend the others. It is a
    sequence of least squares, each weighted by the errors before it (Holland, Welsch, Robust
    regression using iteratively reweighted least-squares, 1977).

    >>> fit(np.array([[1.0, 10.0], [1.0, 100.0]]), np.array([25.0, 205.0])).round(3)
    array([5., 2.])
    """
    base = np.maximum(times, LEAST_NS)
    shares, wanted = counts / base[:, None], times / base
    weights = np.ones(len(times))
    found = np.zeros(counts.shape[1])
    for _ in range(ROUNDS):
        found = _non_negative(shares * weights[:, None], wanted * weights)
        weights = 1 / np.sqrt(np.maximum(np.abs(shares @ found - wanted), CLOSE))
    return found


def _non_negative(rows: F64, wanted: F64) -> F64:
    """The x >= 0 with the least sum of (rows @ x - wanted)^2.

    Coordinate descent: one number after the other is set to its best value while the others stay
    (Franc, Hlavac, Navara, Sequential coordinate-wise algorithm for the non-negative least squares
    problem, CAIP 2005).
    """
    size = np.linalg.norm(rows, axis=0)
    used = size > 0
    scaled = rows[:, used] / size[used]
    gram = scaled.T @ scaled
    found, slope = np.zeros(len(gram)), -scaled.T @ wanted
    for _ in range(SWEEPS):
        before = found.copy()
        for index in range(len(found)):
            value = max(0.0, found[index] - slope[index])
            slope += (value - found[index]) * gram[index]
            found[index] = value
        if np.abs(found - before).max(initial=0.0) <= STILL * found.max(initial=0.0):
            break
    result = np.zeros(rows.shape[1])
    result[used] = found / size[used]
    return result
