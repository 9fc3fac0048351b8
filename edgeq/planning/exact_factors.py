"""Requantization factors that every integer runtime rounds alike: a touch more than the reciprocal
of an even whole number.

An integer kernel turns a sum x into the code round(x * f). Runtimes differ in how: TFLite's
reference rounds twice (to 2^-s of a step, with f = m * 2^-s and m in [1/2, 1), then to a whole
step), CMSIS-NN and NPUs once or twice, XNNPACK and onnxruntime in float. They agree on x unless it
lies within 1/(2m) below a threshold (k + 1/2) / f, or almost on one. With 1/f = n - d, n even and d
tiny, the thresholds lie (k + 1/2) * d below the whole numbers (k + 1/2) * n: the nearest x below is
almost 1 away, which is more than 1/(2m) = n / 2^(s + 1) where n is not close to a power of two, and
the nearest x above is clear of them too.

Source of the double rounding: gemmlowp/fixedpoint/fixedpoint.h,
tensorflow/lite/kernels/internal/common.h (MultiplyByQuantizedMultiplier).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64

#: n stays below this part of the next power of two, so that 1/(2m) stays clear of 1
ROOM = 15 / 16
#: how much of 1 - 1/(2m) the shift of the outermost threshold takes: the more, the clearer are sums
#: just above a threshold
SHIFT = 0.75
#: the largest n: beyond, the rounding of a float32 scale moves thresholds by more than is left
LARGEST = 4096
#: relative distance at which factors count as one: scales are float32
SLACK = 2.0**-20

_EVEN = np.arange(2, LARGEST + 2, 2, dtype=np.float64)


def exact_ladder(reach: int, count: int = 1) -> F64:
    """The factors that round alike everywhere, ascending.

    reach: the largest distance of an output code from the zero point. count: of a mean's values, by
    which TFLite divides the mantissa of scale / scale without bringing it back above 1/2
    (tensorflow/lite/kernels/internal/reference/reduce.h).
    """
    mantissa = np.frexp(count / _EVEN)[0] * 2.0 ** (count.bit_length() - 1) / count
    spare = 1 - 1 / (2 * mantissa)
    left = (1 - SHIFT) * spare > (reach + 0.5) * _EVEN * 2.0**-24
    return (1 / (_EVEN - SHIFT * spare / (reach + 0.5)))[(spare >= 1 - ROOM) & left][::-1]


def around(factor: float, ladder: F64) -> tuple[float, ...]:
    """The rungs next to the factor, below and above."""
    place = int(np.searchsorted(ladder, factor * (1 - SLACK)))
    return tuple(float(rung) for rung in ladder[max(place - 1, 0) : place + 1])


@dataclass(frozen=True)
class Requantized:
    """A layer's sums become codes by the factor weight scale * ratio. ratio: input scale / output
    scale. step: output scale.
    """

    ratio: float
    reach: int
    step: float

    def above(self, scale: F32) -> F32:
        """The next weight scales with exact factors, none of them smaller; from a factor of 1/2 on,
        which is rounded once, as they are.
        """
        return self._snapped(scale, 0)

    def below(self, scale: F32) -> F32:
        """The next weight scales with exact factors, none of them larger, where there are such."""
        return self._snapped(scale, -1)

    def _snapped(self, scale: F32, step: int) -> F32:
        factors = scale.astype(np.float64) * self.ratio
        ladder = np.concatenate([exact_ladder(self.reach), [0.5 * (1 + SLACK)]])
        place = np.searchsorted(ladder, factors * (1 - SLACK)) + step
        rungs = ladder[np.clip(place, 0, len(ladder) - 1)]
        return np.where(factors > ladder[-1], scale, rungs / self.ratio).astype(np.float32)
