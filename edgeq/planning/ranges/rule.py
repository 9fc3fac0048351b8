"""The interface of a range rule, which the `choose` of every rule's file implements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.schema.recipe import Recipe

#: low <= 0 <= high, real numbers
Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class RangeRequest:
    """What a rule receives besides the statistics."""

    #: holds the settings of single rules, such as `percentile`
    recipe: Recipe
    #: number of codes of the grid: 256 for 8 bits
    levels: int
    #: whether the grid's zero point is the middle code, so that only max(-low, high) counts
    symmetric: bool


#: a pure function; its range lies inside the observed one extended to include 0, and is (0.0, 0.0)
#: for a tensor that is all zero or was never seen. A tensor without negative values gets exactly
#: low == 0.0, one without positive values high == 0.0.
RangeRule: TypeAlias = Callable[[TensorStats, RangeRequest], Range]
