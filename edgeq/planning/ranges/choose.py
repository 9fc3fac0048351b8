"""Choose the range of a tensor by the recipe's rule.

Rule x is the function `choose` in the file x.py beside this one.
"""

from __future__ import annotations

from importlib import import_module

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.planning.ranges.rule import Range, RangeRequest, RangeRule
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import RULES


def choose_range(stats: TensorStats, recipe: Recipe, *, levels: int, symmetric: bool) -> Range:
    """The range of one tensor by the recipe's rule (see `RangeRule`).

    levels: number of codes of the grid (256 for 8 bits). Raises ValueError for an unknown rule.
    """
    if recipe.rule not in RULES:
        raise ValueError(f"unknown range rule {recipe.rule!r}")
    rule: RangeRule = import_module(f"edgeq.planning.ranges.{recipe.rule}").choose
    return rule(stats, RangeRequest(recipe, levels, symmetric))
