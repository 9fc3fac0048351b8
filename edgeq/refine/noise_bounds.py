"""Bounds of the predicted noise: whether any channel factors can be worth the search for them.

The search goes through all weights eighty times before it gives up, and holds them in float64;
these bounds go through them once, a few rows at a time. For the weights w and the factors u of a
layer (edgeq/refine/noise_model.py), any shares s that add up to 1 in each row give

    sum over o of max over c of (w_oc / u_c)^2 * sum over c of u_c^2 m_c
        >= (sum over c of sqrt(m_c * sum over o of s_oc w_oc^2))^2

since a maximum is no less than a mean, and by Cauchy and Schwarz. The best of a few shares is
taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.channels.classes import Channels
from edgeq.graph.find_layer import scalable_layer
from edgeq.graph.layer import Layer
from edgeq.graph.read import attribute_ints, constant, is_op
from edgeq.numerics.arrays import F32, F64
from edgeq.refine.noise_model import ACTIVATION_CODES, ORDER, WEIGHT_CODES, logarithm, power_mean

#: numbers of a weight that are looked at together: they stay in a core's cache
AT_ONCE = 1 << 16
#: what float32 may make of the bounds
MARGIN = 1e-3


@dataclass(frozen=True)
class NoiseBounds:
    """What is known of the predicted noise of a network whose weights have a scale a channel."""

    #: the noise of no factors is less
    least: float
    #: the noise of the factors that were asked for is not more
    most: float


def noise_bounds(
    model: ir.Model, channels: Channels, peaks: Mapping[str, F32], squares: Mapping[str, F64], quantized: Sequence[str], logs: F64
) -> NoiseBounds:
    """The bounds; the other arguments are those of noise_model.

    logs [count]: natural logarithms of the factors that are asked for.
    """
    known, least, most = np.append(logs, 0.0), 0.0, 0.0
    for node in model.graph:
        layer = scalable_layer(node)
        source = node.inputs[0] if node.inputs else None
        if layer is None or source is None or source.name not in squares:
            continue
        name, result = str(source.name), str(node.outputs[0].name)
        ids = channels.classes.get(name)
        down = (np.zeros(layer.in_channels) if ids is None else known[ids]).reshape(layer.groups, -1)
        mean_square = squares[name].reshape(layer.groups, -1)
        share = 1 / math.prod(attribute_ints(node, "strides") or ()) if is_op(node, "ConvTranspose") else 1.0
        weights = _Weights.of(layer, layer.by_channel(np.asarray(constant(node.inputs[1]), np.float32)), down)
        power = float(squares[result].sum()) if result in squares else float((weights.square * share * mean_square).sum())
        low, high = (math.prod(layer.kernel[1:]) * share * bound / WEIGHT_CODES**2 for bound in weights.bounds(mean_square, down))
        if name in quantized and name in peaks and peaks[name].max(initial=0) > 0:
            span = power_mean(logarithm(peaks[name]) + known[channels.classes[name]])[0]
            peak = np.broadcast_to(peaks[name].astype(np.float64), layer.in_channels).reshape(layer.groups, -1)
            low += float((weights.square * share * np.square(peak)).sum()) / ACTIVATION_CODES**2
            high += float((weights.square * share * np.exp(2 * (span - down))).sum()) / ACTIVATION_CODES**2
        fixed = ids is None or not (ids >= 0).any()  # then there is one noise
        least += (high if fixed else low) / (12 * max(power, 1e-30))
        most += high / (12 * max(power, 1e-30))
    return NoiseBounds(least * (1 - MARGIN), most * (1 + MARGIN))


@dataclass(frozen=True, eq=False)
class _Weights:
    """Sums over the weights of a layer: [G, inputs of a group]."""

    #: of the squares over taps and outputs
    square: F64
    #: of the largest squares among the taps over the outputs: in shares of each row
    shared: tuple[F64, ...]
    #: the same, whole: for shares that are the same in each row
    alike: F64
    #: the square of the largest magnitude of each scaled row, by the power mean, over the outputs:
    #: [G]
    steps: F64

    @classmethod
    def of(cls, layer: Layer, weight: F32, down: F64) -> _Weights:
        """weight: [G, outputs, inputs, taps]; down: logarithms of the factors [G, inputs]."""
        square, nearest, softly, alike = np.zeros((4, *down.shape))
        steps, groups = np.zeros(layer.groups), np.arange(layer.groups)[:, None]
        highest = (-down).max(-1, keepdims=True)
        factors = np.exp(-down - highest).astype(np.float32)[:, None]
        for rows in _blocks(weight):
            square += np.einsum("goct,goct->gc", rows, rows)
            peak = np.abs(rows).max(-1)
            whole = np.square(peak)
            alike += whole.sum(1)
            largest = np.maximum(peak.max(-1, keepdims=True), np.finfo(np.float32).tiny)
            np.add.at(nearest, (groups, peak.argmax(-1)), np.square(largest[..., 0], dtype=np.float64))
            shares = (peak / largest) ** 2
            shares *= shares
            shares *= shares
            softly += (whole * (shares / np.maximum(shares.sum(-1, keepdims=True), 1e-30))).sum(1)
            scaled = peak * factors
            top = np.maximum(scaled.max(-1, keepdims=True), np.finfo(np.float32).tiny)
            scaled /= top
            sums = _to_the_order(scaled).sum(-1, dtype=np.float64)
            steps += np.square(top[..., 0] * np.maximum(sums, 1.0) ** (1 / ORDER), dtype=np.float64).sum(-1)
        return cls(square, (nearest, softly), alike, steps * np.exp(2 * highest[:, 0]))

    def bounds(self, mean_square: F64, down: F64) -> tuple[float, float]:
        """The least noise, and the noise at the factors, but for constants."""
        means = [np.square(np.sqrt(one * mean_square).sum(-1)) for one in self.shared]
        whole = self.steps * (np.exp(2 * down) * mean_square).sum(-1)
        return float(np.maximum.reduce([*means, (self.alike * mean_square).sum(-1)]).sum()), float(whole.sum())


def _to_the_order(numbers: F32) -> F32:
    """numbers^ORDER, by multiplication."""
    third = numbers * numbers * numbers
    for _ in range(int(ORDER / 3).bit_length() - 1):
        third *= third
    return third


def _blocks(weight: F32) -> Iterator[F32]:
    """Some outputs each of [G, outputs, inputs, taps], contiguous."""
    step = max(1, AT_ONCE // max(weight[:, :1].size, 1))
    return (np.ascontiguousarray(weight[:, start : start + step]) for start in range(0, weight.shape[1], step))
