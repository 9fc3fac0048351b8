"""Requantization factors that every integer runtime rounds alike.

Each is slightly more than the reciprocal of an even whole number.

An integer kernel turns a sum x into the code round(x * f). Runtimes differ in how: TFLite's
reference rounds twice (to 2^-s of a step, with f = m * 2^-s and m in [1/2, 1), then to a whole
step), CMSIS-NN and NPUs once or twice, XNNPACK and onnxruntime in float. They agree on x unless it
lies within 1/(2m) below a threshold (k + 1/2) / f, or almost on one. With 1/f = n - d, n even and d
tiny, the thresholds lie (k + 1/2) * d below the whole numbers (k + 1/2) * n: the nearest x below is
almost 1 away, which is more than 1/(2m) = n / 2^(s + 1) where n is not close to a power of two, and
the nearest x above also keeps its distance.

Source of the double rounding: gemmlowp/fixedpoint/fixedpoint.h,
tensorflow/lite/kernels/internal/common.h (MultiplyByQuantizedMultiplier).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64

#: n stays below this fraction of the next power of two, so that 1/(2m) stays clear of 1
ROOM = 15 / 16
#: the fraction of 1 - 1/(2m) that the shift of the outermost threshold takes: a larger one keeps
#: sums just above a threshold at a greater distance
SHIFT = 0.75
#: the largest n: beyond it, the rounding of a float32 scale moves thresholds by more than the
#: remaining margin
LARGEST = 4096
#: relative distance below which factors count as equal, because scales are float32
SLACK = 2.0**-20

_EVEN = np.arange(2, LARGEST + 2, 2, dtype=np.float64)


def exact_ladder(reach: int, count: int = 1) -> F64:
    """The factors that all runtimes round alike, ascending.

    reach: the largest distance of an output code from the zero point. count: number of values that
    a mean is taken of, by which TFLite divides the mantissa of scale / scale without bringing it
    back above 1/2 (tensorflow/lite/kernels/internal/reference/reduce.h).
    """
    mantissa = np.frexp(count / _EVEN)[0] * 2.0 ** (count.bit_length() - 1) / count
    spare = 1 - 1 / (2 * mantissa)
    left = (1 - SHIFT) * spare > (reach + 0.5) * _EVEN * 2.0**-24
    return (1 / (_EVEN - SHIFT * spare / (reach + 0.5)))[(spare >= 1 - ROOM) & left][::-1]


def around(factor: float, ladder: F64) -> tuple[float, ...]:
    """The ladder's factors next to `factor`: the one below and the one above, where they exist."""
    place = int(np.searchsorted(ladder, factor * (1 - SLACK)))
    return tuple(float(rung) for rung in ladder[max(place - 1, 0) : place + 1])


@dataclass(frozen=True)
class Requantized:
    """How a layer's sums become codes: multiplied by the factor weight scale * ratio."""

    #: input scale / output scale
    ratio: float
    #: the largest distance of an output code from the zero point
    reach: int
    #: output scale
    step: float

    def above(self, scale: F32) -> F32:
        """The next weight scales with exact factors, none of them smaller.

        Scales whose factor is above 1/2 stay as they are, since such factors are rounded once.
        """
        return self._snapped(scale, 0)

    def below(self, scale: F32) -> F32:
        """The next weight scales with exact factors, none of them larger, where such exist."""
        return self._snapped(scale, -1)

    def _snapped(self, scale: F32, step: int) -> F32:
        factors = scale.astype(np.float64) * self.ratio
        ladder = np.concatenate([exact_ladder(self.reach), [0.5 * (1 + SLACK)]])
        place = np.searchsorted(ladder, factors * (1 - SLACK)) + step
        rungs = ladder[np.clip(place, 0, len(ladder) - 1)]
        return np.where(factors > ladder[-1], scale, rungs / self.ratio).astype(np.float32)
