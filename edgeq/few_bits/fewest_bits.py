"""The smallest model that is good enough: bisection over the average bits of a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

#: average bits tried: from the fewest to the most, to within
FEWEST, MOST, WITHIN = 1.5, 7.5, 0.25


def fewest_bits(make: Callable[[float], tuple[Made, float]], floor: float) -> tuple[Made, float]:
    """make: average bits -> (what it gives, its SQNR in dB). The result of the fewest bits that
    reach `floor`, else of the most.
    """
    low, high = FEWEST, MOST
    best = make(high)
    if best[1] < floor:
        return best
    while high - low > WITHIN:
        middle = (low + high) / 2
        found = make(middle)
        if found[1] >= floor:
            best, high = found, middle
        else:
            low = middle
    return best
