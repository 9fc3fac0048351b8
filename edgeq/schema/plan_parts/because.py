"""Where a node runs, and what decided it: words that code reads."""

from __future__ import annotations

from typing import Literal

#: where a node runs
PlacedAs = Literal["int8", "dynamic", "integer", "absorbed", "float"]
#: what decided where a node runs; code reads this and never the reason, which is for people
Because = Literal[
    # in integers:
    "kernel",  # an integer kernel of the target
    "measured",  # an integer kernel whose input grid is measured at every run
    "movement",  # it only moves or selects integers
    "embedding",  # rows of a weight table are gathered as integers
    "absorbed",  # its producer's output grid does its work
    # in float:
    "kept",  # the recipe keeps it in float
    "searched",  # a search keeps it in float
    "useless",  # in integers it made an output useless
    "obstacle",  # no integer kernel takes this operator as it is used here
    "no_float",  # it does not compute floats
    "outer",  # it reads a value of the graph around its body
    "parts",  # it joins parts, or passes joined parts on, whose ranges are too far apart for one grid
    "unfit",  # no grid can hold a value that it touches
    "constant",  # a value that it touches was one number in all of the data, which tells no range
    "output",  # it makes an output whose range few samples do not show
    "fused",  # the runtime computes it together with a node that must be float, in one float kernel
    "slow",  # its integer kernel is slower in this position
    "slower",  # on a machine that placement weighs, floats are faster here
    "cost",  # the conversions around it would cost more than its kernel saves
]

#: causes that the numbers decide: from the graph alone they are not to be foreseen
FROM_DATA: frozenset[Because] = frozenset({"useless", "searched", "parts", "unfit", "constant", "output"})
