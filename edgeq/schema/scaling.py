"""How a plan says by what channels are scaled: exponents of a fraction of an octave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edgeq.numerics.arrays import F64

#: factors are powers of 2^(1 / STEPS): small numbers in the plan, the same on every machine
STEPS = 8
#: what a plan may say: 2^20 either way, far from what float32 holds
LARGEST_EXPONENT = 20 * STEPS

Exponents = dict[str, tuple[int, ...]]


def factors_of(exponents: Mapping[str, Iterable[int]]) -> dict[str, F64]:
    """Value name -> the factor of each channel."""
    return {name: 2.0 ** (np.array(tuple(steps), np.float64) / STEPS) for name, steps in exponents.items()}
