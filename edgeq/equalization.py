"""Decide by what to scale the channels of a model, so that the small ones use more of the codes of a grid that all of them share.

The one scale of an activation's grid follows its largest channel. A channel whose peak is p, where the value's is R, uses p / R of the
codes; scaled by (R / p)^STRENGTH where it is made and back where it is read, it uses (p / R)^(1 - STRENGTH), and nothing else grows: with
one weight scale a channel the layer that makes it is as exact as before. A class of channels that several values share is scaled by the
least that any of them bears. After Nagel et al., arXiv:1906.04721, section 4.1, which balances weights; here activations are what limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeq.channels import Channels
from edgeq.graph import is_op, nodes
from edgeq.layer_form import layer_form

#: how much of the difference between channels is taken away, as an exponent: what remains is room for values that no sample showed
STRENGTH = 0.5
#: factors are powers of 2^(1 / STEPS): small numbers in the plan, the same on every machine
STEPS = 8
#: the largest factor: channels that hardly ever are above 0 need no more
LARGEST = 16.0

Peaks = Mapping[str, NDArray[np.float32]]
Exponents = dict[str, tuple[int, ...]]


def values_to_balance(model: ir.Model, channels: Channels, quantized: Iterable[str]) -> dict[str, int]:
    """Value name -> axis of its channels, for the values whose peaks decide: the quantized ones that can be scaled, and what a Clip makes,
    whose bound no channel may be scaled beyond."""
    clipped = {str(node.outputs[0].name) for node in nodes(model) if is_op(node, "Clip")}
    wanted = set(quantized) | clipped
    return {name: channels.axis[name] for name, ids in channels.classes.items() if name in wanted and (ids >= 0).any()}


def equalizing_exponents(model: ir.Model, channels: Channels, peaks: Peaks) -> Exponents:
    """Value name -> exponent k of each channel, its factor being 2^(k / STEPS): for the values that layers make or read.

    peaks: value name -> largest magnitude of each channel. Empty when no channel is worth scaling.
    """
    count = max((int(ids.max(initial=-1)) for ids in channels.classes.values()), default=-1) + 1
    factor = np.full(count, np.inf)
    for name, peak in sorted(peaks.items()):
        ids = channels.classes[name]
        largest = float(peak.max(initial=0.0))
        free = ids >= 0
        if largest > 0 and np.isfinite(largest):
            wanted = np.minimum((largest / np.maximum(peak.astype(np.float64), largest * 1e-9)) ** STRENGTH, LARGEST)
            np.minimum.at(factor, ids[free], wanted[free])
        else:
            factor[ids[free]] = 1.0
    factor[~np.isfinite(factor)] = 1.0
    steps = np.floor(STEPS * np.log2(factor) + 1e-6).astype(int)
    found: Exponents = {}
    for name in _ends(model):
        if name in channels.classes and count:
            own = channels.classes[name]
            exponents = np.where(own >= 0, steps[np.maximum(own, 0)], 0)
            if exponents.any():
                found[name] = tuple(int(k) for k in exponents)
    return found


def factors_of(exponents: Mapping[str, Iterable[int]]) -> dict[str, NDArray[np.float64]]:
    """Value name -> the factor of each channel."""
    return {name: 2.0 ** (np.array(tuple(steps), np.float64) / STEPS) for name, steps in exponents.items()}


def _ends(model: ir.Model) -> list[str]:
    """The values that layers read or make, in graph order."""
    found: dict[str, None] = {}
    for node in model.graph:
        if layer_form(node) is not None:
            for value in (node.inputs[0], node.outputs[0]):
                if value is not None:
                    found[str(value.name)] = None
    return list(found)
