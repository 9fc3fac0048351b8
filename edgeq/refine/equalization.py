"""Choose channel factors with which small channels use more codes of a shared grid.

The single scale of an activation's grid follows its largest channel. Let R be the peak of the value
and p that of a channel: the channel uses p / R of the codes. Scaled by (R / p)^STRENGTH by its
producer and scaled back by its readers, it uses (p / R)^(1 - STRENGTH), and nothing else grows:
with per-channel weight scales the producing layer stays as exact as before. A class of channels
that several values share is scaled by the smallest factor among these values. After Nagel et al.,
arXiv:1906.04721, section 4.1, which balances weights; here activations are the limit.

That leaves a reserve, and half of the bits that a channel far above all others takes from them.
Where balancing (edgeq/refine/balance.py) predicts much less noise, it decides instead; where
weights are a limit as well, with one scale for all channels or with codes of few bits, it always
does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from edgeq.calibration.channel_stats import ChannelStats
from edgeq.graph.channels.classes import Channels
from edgeq.graph.find_layer import scalable_layer
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.arrays import F64
from edgeq.refine.balance import balance
from edgeq.refine.noise_bounds import noise_bounds
from edgeq.refine.noise_model import noise_model
from edgeq.schema.scaling import STEPS, Exponents

#: the share of the difference between channels that is removed, as an exponent; the rest is a
#: reserve for values that no sample showed
STRENGTH = 0.5
#: the largest factor: channels that are hardly ever above 0 need no more
LARGEST = 16.0
#: the share of the predicted noise that balancing may leave to be preferred: a bit, 6 dB. It
#: predicts the noise of the samples that were seen, and keeps no reserve for others; the gain
#: between channels of common size is smaller, and the cost of one that is 30 times as large greater
WORTH = 0.25


def values_to_measure(model: ir.Model, channels: Channels, quantized: Iterable[str]) -> dict[str, int]:
    """The values whose channels must be measured, with the axis of their channels.

    They are the inputs and outputs of layers, the quantized values that can be scaled, and the
    outputs of Clips, whose bound limits the scaling.
    """
    clipped = _clipped(model)
    wanted = set(quantized) | clipped | set(_ends(model))
    return {name: channels.axis[name] for name, ids in channels.classes.items() if name in wanted}


def equalizing_exponents(
    model: ir.Model,
    channels: Channels,
    stats: ChannelStats,
    quantized: Iterable[str],
    *,
    shared: bool,
    bits: Mapping[str, int] = MappingProxyType({}),
) -> Exponents:
    """Exponents k per channel, by value, with factor 2^(k / STEPS), if any channel is scaled.

    quantized: the values that have a grid. shared: whether all channels of a weight have one scale.
    bits: of a weight's codes, by node, where they are fewer than 8. Empty if nothing is worth
    scaling.
    """
    grids = [name for name in quantized if name in channels.classes]
    unit = np.log(2) / STEPS
    if shared or bits:
        noise = noise_model(model, channels, stats, grids, shared=shared, bits=bits)
        steps = np.rint(balance(model, channels, stats.peaks, noise) / unit)
    else:
        clipped = _clipped(model)
        names = [name for name in channels.classes if name in stats.peaks and (name in clipped or name in grids)]
        reserved = np.floor(STEPS * np.log2(_factors(channels, stats, names)) + 1e-6)
        steps = _better(model, channels, stats, grids, reserved)
    found: Exponents = {}
    for name, ids in channels.classes.items() if steps.size else ():
        exponents = np.where(ids >= 0, steps[np.maximum(ids, 0)], 0)
        if exponents.any():
            found[name] = tuple(int(k) for k in exponents)
    return found


def _better(model: ir.Model, channels: Channels, stats: ChannelStats, grids: Sequence[str], reserved: F64) -> F64:
    """The steps of balanced factors if much less noise is predicted for them, else `reserved`."""
    unit = np.log(2) / STEPS
    known = noise_bounds(model, channels, stats.peaks, stats.squares, grids, unit * reserved)
    if known.least >= WORTH * known.most:
        return reserved
    noise = noise_model(model, channels, stats, grids, shared=False, bits={})
    steps = np.rint(balance(model, channels, stats.peaks, noise, unit * reserved, WORTH) / unit)
    return np.asarray(steps if noise(unit * steps)[0] < WORTH * noise(unit * reserved)[0] else reserved, np.float64)


def _factors(channels: Channels, stats: ChannelStats, names: Iterable[str]) -> F64:
    """The factor of each class: the smallest one among its values."""
    factor = np.full(channels.count, np.inf)
    for name in names:
        ids, peak = channels.classes[name], stats.peaks[name].astype(np.float64)
        free, largest = ids >= 0, float(peak.max(initial=0.0))
        wanted = np.minimum((largest / np.maximum(peak, max(largest * 1e-9, 1e-30))) ** STRENGTH, LARGEST) if largest > 0 else 1.0
        np.minimum.at(factor, ids[free], np.broadcast_to(wanted, ids.shape)[free])
    return np.where(np.isfinite(factor), factor, 1.0)


def _clipped(model: ir.Model) -> set[str]:
    """The outputs of Clips."""
    return {str(node.outputs[0].name) for node in nodes(model) if is_op(node, "Clip")}


def _ends(model: ir.Model) -> list[str]:
    """The inputs and outputs of layers, in graph order."""
    found: dict[str, None] = {}
    for node in model.graph:
        if scalable_layer(node) is not None:
            for value in (node.inputs[0], node.outputs[0]):
                if value is not None:
                    found[str(value.name)] = None
    return list(found)
