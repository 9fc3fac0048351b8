"""Find the channel factors with the least predicted noise.

One large channel makes the steps of all others coarse, in the value itself, in the weights that
read it, and, where a weight has one scale per tensor, in those that make it. Cross-layer
equalization balances the ranges of two weights (Nagel et al., arXiv:1906.04721, section 4.1); this
minimises the noise that edgeq/refine/noise_model.py predicts for activations and weights of the
whole network at once, by Adam (Kingma and Ba, arXiv:1412.6980).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.graph.channels.classes import Channels
from edgeq.graph.read import clip_bounds, is_op
from edgeq.numerics.arrays import F32, F64
from edgeq.refine.noise_model import NoiseModel

#: number of steps of the search, and its first step width in natural logarithms of factors
ITERATIONS, WIDTH = 300, 0.1
#: the largest factor; the smallest is its reciprocal
LARGEST = 256.0
#: a search for a share of the noise it starts from must have come half as far, in decibels, after
#: so many steps, and be there after twice as many: these are the wide ones, and make more than half
#: of its way
LOOK = 40


def balance(
    model: ir.Model, channels: Channels, peaks: Mapping[str, F32], noise: NoiseModel, start: F64 | None = None, worth: float = 1.0
) -> F64:
    """The natural logarithm of the factor of each class [count].

    start [count]: where the search begins; None: at factors of 1. worth: the share of the noise
    there that may be left; `start` is returned if there is no prospect of that.
    """
    low, high = bounds(model, channels, peaks, noise.count)
    begin = logs = np.zeros(noise.count) if start is None else start
    first, second = np.zeros(noise.count), np.zeros(noise.count)
    before = noise(begin)[0]
    best, chosen = np.inf, logs
    for step in range(1, ITERATIONS + 1):
        value, slope = noise(logs)
        if value < best:
            best, chosen = value, logs
        if value <= 0:
            break
        if worth < 1 and step in (LOOK, 2 * LOOK) and best > before * worth ** (step / (2 * LOOK)):
            return begin
        slope = slope / value
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-12)
        logs = np.clip(logs - WIDTH * (1 - step / ITERATIONS) * move, low, high)
    return chosen


def bounds(model: ir.Model, channels: Channels, peaks: Mapping[str, F32], count: int) -> tuple[F64, F64]:
    """The smallest and the largest logarithm for each class.

    Under a Clip at b, a channel that reaches b cannot be scaled; another may shrink, and may grow
    until its peak reaches b.
    """
    low, high = np.full(count, -np.log(LARGEST)), np.full(count, np.log(LARGEST))
    for node in model.graph:
        name = str(node.outputs[0].name)
        if not is_op(node, "Clip") or name not in channels.classes or name not in peaks:
            continue
        ceiling = (clip_bounds(node) or (0.0, np.inf))[1]
        ids, peak = channels.classes[name], peaks[name].astype(np.float64)
        free = ids >= 0
        reached = peak[free] >= ceiling * (1 - 1e-6)
        room = np.where(reached, 0.0, np.log(ceiling / np.maximum(peak[free], 1e-30)))
        np.minimum.at(high, ids[free], room)
        np.maximum.at(low, ids[free][reached], 0.0)
    return np.minimum(low, high), high
