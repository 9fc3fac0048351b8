"""The range of a tensor by the rule of the recipe. A rule is found by its word: rule x is `choose`
in x.py beside this file.
"""

from __future__ import annotations

from importlib import import_module

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.planning.ranges.rule import Range, RangeRequest, RangeRule
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import RULES


def choose_range(stats: TensorStats, recipe: Recipe, *, levels: int, symmetric: bool) -> Range:
    """The range of one tensor by the recipe's rule (see `RangeRule`). levels: codes of the grid
    (256 for 8 bits). ValueError for an unknown rule.
    """
    if recipe.rule not in RULES:
        raise ValueError(f"unknown range rule {recipe.rule!r}")
    rule: RangeRule = import_module(f"edgeq.planning.ranges.{recipe.rule}").choose
    return rule(stats, RangeRequest(recipe, levels, symmetric))
