"""How a plan states the scale factors of channels: as integer exponents of 2^(1/8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edgeq.numerics.arrays import F64

#: factors are powers of 2^(1 / STEPS): small integers in the plan, identical on every machine
STEPS = 8
#: limit of the exponents: a factor of 2^20 either way, far within the range of float32
LARGEST_EXPONENT = 20 * STEPS

Exponents = dict[str, tuple[int, ...]]


def factors_of(exponents: Mapping[str, Iterable[int]]) -> dict[str, F64]:
    """The factor of each channel, by value name."""
    return {name: 2.0 ** (np.array(tuple(steps), np.float64) / STEPS) for name, steps in exponents.items()}
