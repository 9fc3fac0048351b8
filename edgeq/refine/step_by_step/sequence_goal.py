"""The weight to aim for when a layer's inputs already carry quantization error.

With it, the layer's output stays closest to the float model's. A layer W reads x in the float model
and x' in the integer one. Its integer weights Q should bring Q x' close to W x. With G x' as the
best linear estimate of x, G = E[x x'^T] E[x' x'^T]^-1, the expected square of W x - Q x' is that of
(W G - Q) x' plus a rest that does not depend on Q, so Q is fitted to W G under the moment of x'.
(Li et al., GPTAQ, arXiv:2504.02692.)

G is estimated from few samples, and with too small a ridge it increases the error on other samples.
The ridge is chosen by cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeq.numerics.arrays import F32, F64

#: rows per column of the weight below which G is not estimated: with fewer, a sentence encoder lost
#: 1.3 dB
ROWS_PER_COLUMN = 8
#: candidate ridges, as shares of the moment's mean diagonal
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, eq=False)
class Rows:
    """Statistics of rows x' (codes) in the integer model and x in the float model, in one unit."""

    #: E[x' x'^T], [G, K, K]
    moment: F64
    #: E[(x - x') x'^T], [G, K, K]
    cross: F64
    #: E[x'], [G, K]
    mean: F64
    #: E[x - x'], [G, K]
    mean_error: F64
    #: number of rows
    count: int

    def centred(self) -> Rows:
        """The same statistics about the means."""
        moment = self.moment - self.mean[:, :, None] * self.mean[:, None, :]
        cross = self.cross - self.mean_error[:, :, None] * self.mean[:, None, :]
        return replace(self, moment=moment, cross=cross)

    def moved(self, weight: F32, ridge: float) -> F64:
        """W G - W, [G, C, K], with this ridge."""
        size = self.moment.shape[-1]
        more = ridge * np.einsum("gkk->g", self.moment) / size + 1e-30
        wanted = np.swapaxes(weight.astype(np.float64) @ self.cross, 1, 2)
        return np.swapaxes(np.linalg.solve(self.moment + more[:, None, None] * np.eye(size), wanted), 1, 2)

    def gain(self, weight: F32, moved: F64) -> float:
        """How much smaller W x - (W + moved) x' is than W x - W x'.

        Measured as the mean square over these rows, summed over outputs.
        """
        return float(2 * np.sum(moved * (weight @ self.cross)) - np.sum((moved @ self.moment) * moved))


def together(halves: tuple[Rows, Rows]) -> Rows:
    """The statistics of the rows of both halves."""
    first, second = halves
    share = first.count / (first.count + second.count)

    def mean(one: F64, other: F64) -> F64:
        return share * one + (1 - share) * other

    return Rows(
        mean(first.moment, second.moment),
        mean(first.cross, second.cross),
        mean(first.mean, second.mean),
        mean(first.mean_error, second.mean_error),
        first.count + second.count,
    )


def goal(weight: F32, halves: tuple[Rows, Rows]) -> F32:
    """W G [G, C, K], with the ridge that is best for each half when G is estimated from the other.

    W itself if no ridge reduces the error or there are too few rows.
    """
    first, second = halves
    if min(first.count, second.count) < ROWS_PER_COLUMN * weight.shape[-1]:
        return weight
    gains = [first.gain(weight, second.moved(weight, ridge)) + second.gain(weight, first.moved(weight, ridge)) for ridge in RIDGES]
    best = int(np.argmax(gains))
    if not gains[best] > 0:
        return weight
    return np.asarray(weight + together(halves).moved(weight, RIDGES[best]), np.float32)
