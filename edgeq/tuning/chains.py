"""The chains that are timed: for every kind of work, blocks of several sizes that are repeated.

What one more block adds to a network's time is its own, without the ends of the network.
"""

from __future__ import annotations

from edgeq.tuning.chain import Chain
from edgeq.tuning.layer_chains import LAYERS
from edgeq.tuning.value_chains import VALUES

#: in the order in which their figures are told
CHAINS: tuple[Chain, ...] = (*LAYERS, *VALUES)
