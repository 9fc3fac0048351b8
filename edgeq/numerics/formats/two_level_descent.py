"""Choose the whole-number scales of vectors again, each together with its codes.

Descent on codes alone keeps every vector's scale. Here one vector after the other gets the scale,
of some near its own, with which its codes leave the least output error r H r^T while all other
numbers of the row stay: the codes are rounded with error feedback within the vector, around the
numbers that would be best there. A vector changes only if the error of its row shrinks.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import F32, F64, U8, Indices
from edgeq.numerics.formats.blocks import cut, spread

#: how far from its own scale the scales of a vector are that are tried
NEAR = 2
#: a vector changes if the error of its row shrinks by more than this share of what the vector adds
#: to it: less is within the rounding of float32
SURE = 1e-4
#: share of the mean of its diagonal that keeps a vector's moment invertible
RIDGE = 1e-6


def descend_vectors(
    weight: F32, moment: F32, channel: F32, found: tuple[U8, F32], kernel: tuple[int, ...], size: int, ends: tuple[int, int]
) -> tuple[U8, F32]:
    """One sweep over all vectors: scales [G, C, B] and codes [G, C, K] from those of `found`.

    weight [G, C, K]; moment [G, K, K], damped; channel: scales [G, C]. kernel, size: how vectors
    lie (blocks.py). ends: the largest code, and the largest scale of a vector.
    """
    scales, codes = found[0].astype(np.float32), _turned(found[1])
    numbers = codes * _turned(channel[..., None] * spread(scales, kernel, size))
    slope = moment @ (_turned(weight) - numbers)
    for index, columns in enumerate(_columns(kernel, size)):
        own = moment[:, columns][:, :, columns].astype(np.float64)
        tried = np.clip(scales[None, ..., index] + np.arange(-NEAR, NEAR + 1, dtype=np.float32)[:, None, None], 1, ends[1])
        near = _Vector(own, numbers[:, columns], slope[:, columns], channel[None] * tried, ends[0])
        if not near.better.any():
            continue
        change = np.where(near.better[:, None], near.numbers - numbers[:, columns], 0).astype(np.float32)
        slope -= moment[:, :, columns] @ change
        numbers[:, columns] += change
        codes[:, columns] = np.where(near.better[:, None], near.codes, codes[:, columns])
        scales[..., index] = np.where(near.better, near.of_best(tried), scales[..., index])
    return scales.astype(np.uint8), _turned(codes)


class _Vector:
    """The best scale and codes of one vector of every row, while all else stays."""

    def __init__(self, moment: F64, now: F32, slope: F32, steps: F32, most: int) -> None:
        """moment [G, n, n]; now: the numbers [G, n, C]; slope: H r there; steps [S, G, C]."""
        size = moment.shape[1]
        mean = np.trace(moment, axis1=1, axis2=2) / size
        damped = moment + np.where(mean > 0, RIDGE * mean, 1.0)[:, None, None] * np.eye(size)
        inverse = np.linalg.inv(damped)
        away = inverse @ slope  # from the numbers that would be best
        factor = np.swapaxes(np.linalg.cholesky(inverse), 1, 2).astype(np.float32)
        codes = _fed_back((now + away).astype(np.float32), factor, steps, most)
        numbers = codes * steps[:, :, None]
        rest = numbers - (now + away)
        errors = ((damped @ rest) * rest).sum(2)
        before = ((damped @ away) * away).sum(1)
        self._best = errors.argmin(0)
        #: which rows [G, C] get nearer
        self.better = np.take_along_axis(errors, self._best[None], 0)[0] < before * (1 - SURE)
        #: with the best of the steps, [G, n, C]
        self.codes, self.numbers = (np.take_along_axis(one, self._best[None, :, None], 0)[0] for one in (codes, numbers))

    def of_best(self, tried: F32) -> F32:
        """Of one number for each step [S, G, C], that of the best."""
        return np.asarray(np.take_along_axis(tried, self._best[None], 0)[0])


def _fed_back(wanted: F32, factor: F32, steps: F32, most: int) -> F32:
    """Codes [S, G, n, C] of wanted numbers [G, n, C]: each error moves the numbers behind it.

    factor [G, n, n]: upper triangular, its square is the inverse moment.
    """
    left = np.repeat(wanted[None], len(steps), axis=0)
    codes = np.empty_like(left)
    for place in range(wanted.shape[1]):
        code = np.clip(np.rint(left[:, :, place] / steps), -most, most)
        error = (left[:, :, place] - code * steps) / factor[:, place, place, None]
        left[:, :, place + 1 :] -= factor[:, place, place + 1 :, None] * error[:, :, None]
        codes[:, :, place] = code
    return codes


def _columns(kernel: tuple[int, ...], size: int) -> list[Indices]:
    """The columns of each vector."""
    places = cut(np.arange(1, int(np.prod(kernel)) + 1), kernel, size)  # 0 is padding
    return [row[row > 0] - 1 for row in places]


def _turned(rows: F32) -> F32:
    return np.ascontiguousarray(np.swapaxes(rows, 1, 2), np.float32)
