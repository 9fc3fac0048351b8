"""What a range rule is: the form that every other file of this folder has a `choose` of."""

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
    """What is asked of a rule beside the statistics."""

    #: holds the settings of single rules, such as `percentile`
    recipe: Recipe
    #: codes of the grid: 256 for 8 bits
    levels: int
    #: whether the grid's zero point will be the middle code, so that only max(-low, high) counts
    symmetric: bool


#: A pure function whose range lies inside the observed one joined with 0: (0.0, 0.0) for a tensor
#: that is all zero or was never seen. A tensor without negative values keeps low == 0.0 exactly,
#: one without positive values high == 0.0.
RangeRule: TypeAlias = Callable[[TensorStats, RangeRequest], Range]
