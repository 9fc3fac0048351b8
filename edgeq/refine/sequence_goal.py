"""What a layer should become that reads the outputs of an integer model: the weight whose products
come nearest to the float model's.

A layer W reads x in the float model and x' in the integer one. Its integer weights Q should bring Q
x' near W x. G x' being the best guess at x, G = E[x x'^T] E[x' x'^T]^-1, the expected square of W x
- Q x' is that of (W G - Q) x' and a rest that no Q changes: so Q is fitted to W G under the moment
of x'. (Li et al., GPTAQ, arXiv:2504.02692.)

G is an estimate from few samples, and with too small a ridge it does harm on others. The ridge is
chosen by cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeq.numerics.arrays import F32, F64

#: rows a column of the weight without which G is not estimated: with fewer a sentence encoder lost
#: 1.3 dB
ROWS_PER_COLUMN = 8
#: shares of the moment's mean diagonal that may be added to it where G is found
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, eq=False)
class Rows:
    """Of `count` rows of codes x' and x in their unit: moment E[x' x'^T], cross E[(x - x') x'^T]
    [G, K, K], means [G, K].
    """

    moment: F64
    cross: F64
    mean: F64
    mean_error: F64
    count: int

    def centred(self) -> Rows:
        """The same about the means."""
        moment = self.moment - self.mean[:, :, None] * self.mean[:, None, :]
        cross = self.cross - self.mean_error[:, :, None] * self.mean[:, None, :]
        return replace(self, moment=moment, cross=cross)

    def moved(self, weight: F32, ridge: float) -> F64:
        """W G - W, [G, C, K]."""
        size = self.moment.shape[-1]
        more = ridge * np.einsum("gkk->g", self.moment) / size + 1e-30
        wanted = np.swapaxes(weight.astype(np.float64) @ self.cross, 1, 2)
        return np.swapaxes(np.linalg.solve(self.moment + more[:, None, None] * np.eye(size), wanted), 1, 2)

    def gain(self, weight: F32, moved: F64) -> float:
        """By how much less W x - (W + moved) x' is than W x - W x': the mean square over these
        rows, summed over outputs.
        """
        return float(2 * np.sum(moved * (weight @ self.cross)) - np.sum((moved @ self.moment) * moved))


def together(halves: tuple[Rows, Rows]) -> Rows:
    """Of all rows of both."""
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
    """W G [G, C, K], with the ridge that serves each half best when G is found from the other; W
    where none does, or rows are few.
    """
    first, second = halves
    if min(first.count, second.count) < ROWS_PER_COLUMN * weight.shape[-1]:
        return weight
    gains = [first.gain(weight, second.moved(weight, ridge)) + second.gain(weight, first.moved(weight, ridge)) for ridge in RIDGES]
    best = int(np.argmax(gains))
    if not gains[best] > 0:
        return weight
    return np.asarray(weight + together(halves).moved(weight, RIDGES[best]), np.float32)
