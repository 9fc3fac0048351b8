"""The words for range rules, apart from the recipe: a command's help lists them without loading it.

A new rule is a word here and a file of that name in edgeq/planning/ranges/.
"""

from __future__ import annotations

from typing import Literal, get_args

Rule = Literal["minmax", "mean_minmax", "ema", "percentile", "kl", "mse"]
RULES: tuple[Rule, ...] = get_args(Rule)
