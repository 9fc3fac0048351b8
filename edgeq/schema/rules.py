"""The names of the range rules, in a file of their own so that the CLI help loads quickly.

To add a rule, add its name here and a file of that name to edgeq/planning/ranges/.
"""

from __future__ import annotations

from typing import Literal, get_args

Rule = Literal["minmax", "mean_minmax", "ema", "percentile", "kl", "mse"]
RULES: tuple[Rule, ...] = get_args(Rule)
