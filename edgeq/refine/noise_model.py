"""Predict how much noise 8-bit grids add to every layer's output, as channels are scaled.

Only weights and channel statistics are needed. Channels are scaled by u where a layer reads them
and by v where it produces them, so its weight is w v / u. Rounding on a grid of step d adds an
error that is spread evenly, with variance d^2 / 12; the step follows the largest magnitude.
Relative to the power of the layer's output the noise is:

    activations:  step(u p)^2 / 12 * sum over o, c of (w_oc / u_c)^2
    weights:      step(w v / u)^2 / 12 * sum over o, c of (u_c / v_o)^2 m_c

with the peaks p and the mean squares m of the input channels; each step is that of the tensor (one
scale for all channels), or, of a weight with a scale per output channel, that of its row, where v
cancels out. The largest magnitude is approximated by a power mean of high order, which has a
gradient. Balancing minimises the sum over layers.

Every factor belongs to a row or a column, so that the sums over weights are products of vectors
with matrices that do not change: the search takes no exponential of a weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeq.calibration.channel_stats import ChannelStats
from edgeq.graph.channels.classes import Channels
from edgeq.graph.find_layer import scalable_layer
from edgeq.graph.layer import Layer
from edgeq.graph.read import attribute_ints, constant, is_op
from edgeq.numerics.arrays import F64, I64

#: order of the power mean that approximates a maximum
ORDER = 24.0
#: codes from zero to the end of an 8-bit weight grid, and number of steps of an activation grid
WEIGHT_CODES, ACTIVATION_CODES = 127.0, 255.0


@dataclass(frozen=True, eq=False)
class Term:
    """One layer."""

    #: sum of the squared weights over the taps and the outputs of each input channel, where they
    #: meet at a place of the output, on average: [G, inputs of a group]
    square: F64
    #: the largest magnitudes of the weights as shares of `largest`, to the power ORDER: [G, outputs
    #: of a group, inputs of a group]
    powers: F64
    #: logarithm of the largest magnitude of each row, [G, outputs of a group]
    largest: F64
    #: class of each input channel, -1 for one that cannot be scaled; `after`: of each output
    #: channel
    before: I64
    after: I64
    #: name of the input
    value: str
    #: of the input channels, [G, inputs of a group]
    mean_square: F64
    #: number of taps of each pair of channels that meet at a place of the output, on average: a
    #: ConvTranspose spreads its taps over as many places as its strides say
    taps: float
    #: mean square of the output, summed over its channels
    power: float
    #: number of codes from zero to the end of the weight's grid
    codes: float


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """The predicted noise of a network as a function of its channel factors."""

    #: the layers whose noise the factors change
    terms: tuple[Term, ...]
    #: for each value that has a grid, the class and the logarithm of the peak of each channel
    peaks: Mapping[str, tuple[I64, F64]]
    #: number of classes
    count: int
    #: whether a weight has one scale for all its channels, or one per output channel
    shared: bool
    #: the noise of all other layers
    rest: float = 0.0

    def __call__(self, logs: F64) -> tuple[float, F64]:
        """The predicted noise and its gradient [count].

        logs [count]: natural logarithms of the factors.
        """
        total, slope = self.rest, np.zeros(self.count + 1)  # the last entry collects channels that cannot be scaled
        known = np.append(logs, 0.0)
        spans = {name: power_mean(peak + known[ids]) for name, (ids, peak) in self.peaks.items()}
        for term in self.terms:
            down, up = known[term.before].reshape(term.square.shape), known[term.after].reshape(term.largest.shape)
            if term.value in spans:
                total += self._activations(term, spans[term.value], down, slope)
            total += _weights(term, down, up, slope) if self.shared else _weight_rows(term, down, slope)
        return total, slope[:-1]

    def _activations(self, term: Term, span: tuple[float, F64], down: F64, slope: F64) -> float:
        log_span, shares = span
        noise = term.square * np.exp(2 * (log_span - down)) / (12 * ACTIVATION_CODES**2 * term.power)
        total = float(noise.sum())
        np.add.at(slope, term.before, -2 * noise.reshape(-1))
        np.add.at(slope, self.peaks[term.value][0], 2 * total * shares)
        return total


def _weights(term: Term, down: F64, up: F64, slope: F64) -> float:
    """The noise of a weight with one step for all rows."""
    columns, least = _scaled(-down)
    rows, most = _scaled(up + term.largest)
    sums = rows * np.einsum("goc,gc->go", term.powers, columns)
    whole = float(sums.sum())
    log_span = most + least + float(np.log(whole)) / ORDER
    energy = np.exp(2 * down) * term.mean_square * term.taps
    outwards = np.exp(2 * (log_span - up)) / (12 * term.codes**2 * term.power)
    noise = outwards * energy.sum(-1, keepdims=True)
    total = float(noise.sum())
    shares = columns * np.einsum("goc,go->gc", term.powers, rows) / whole
    np.add.at(slope, term.after, (2 * total * sums / whole - 2 * noise).reshape(-1))
    np.add.at(slope, term.before, (2 * energy * outwards.sum(1, keepdims=True) - 2 * total * shares).reshape(-1))
    return total


def _weight_rows(term: Term, down: F64, slope: F64) -> float:
    """The noise of a weight with a step for each row; no factor of the outputs changes it."""
    columns, least = _scaled(-down)
    sums = np.einsum("goc,gc->go", term.powers, columns)
    energy = np.exp(2 * down) * term.mean_square * term.taps
    steps = np.exp(2 * (term.largest + least + np.log(sums) / ORDER)) / (12 * term.codes**2 * term.power)
    noise = steps * energy.sum(-1, keepdims=True)
    shares = columns * np.einsum("goc,go->gc", term.powers, noise / sums)
    np.add.at(slope, term.before, (2 * energy * steps.sum(1, keepdims=True) - 2 * shares).reshape(-1))
    return float(noise.sum())


def _scaled(logs: F64) -> tuple[F64, float]:
    """exp(ORDER * logs) as shares of the largest, and the logarithm of the largest exp(logs)."""
    highest = float(logs.max())
    return np.exp(ORDER * (logs - highest)), highest


def power_mean(logs: F64) -> tuple[float, F64]:
    """log of (sum x^ORDER)^(1 / ORDER) for x = exp(logs), and each entry's share of it."""
    highest = float(logs.max())
    powers = np.exp(ORDER * (logs - highest))
    total = float(powers.sum())
    return highest + float(np.log(total)) / ORDER, powers / total


def noise_model(
    model: ir.Model, channels: Channels, stats: ChannelStats, quantized: Sequence[str], *, shared: bool, bits: Mapping[str, int]
) -> NoiseModel:
    """Build the noise model of a network.

    quantized: the values that have a grid. shared: whether a weight has one scale for all its
    channels. bits: of a weight's codes, by node; 8 where it is not named.
    """
    terms = []
    for node in model.graph:
        layer, source = scalable_layer(node), node.inputs[0] if node.inputs else None
        if layer is not None and source is not None and source.name in stats.squares:
            terms.append(_term(node, layer, channels, stats.squares, bits.get(str(node.name), 8)))
    found = [(name, stats.peaks[name]) for name in quantized if name in stats.peaks]
    spans = {name: (channels.classes[name], logarithm(peak)) for name, peak in found if peak.max(initial=0) > 0}
    moving = tuple(term for term in terms if (term.before >= 0).any() or (shared and (term.after >= 0).any()))
    fixed = NoiseModel(tuple(term for term in terms if term not in moving), spans, channels.count, shared)
    return replace(fixed, terms=moving, rest=fixed(np.zeros(channels.count))[0])


def _term(node: ir.Node, layer: Layer, channels: Channels, squares: Mapping[str, F64], bits: int) -> Term:
    source, result = str(node.inputs[0].name), str(node.outputs[0].name)  # type: ignore[union-attr]  # a layer has an input
    rows = layer.by_channel(np.asarray(constant(node.inputs[1]), np.float64))
    share = 1 / math.prod(attribute_ints(node, "strides") or ()) if is_op(node, "ConvTranspose") else 1.0
    square, mean_square = np.square(rows).sum((1, 3)) * share, squares[source].reshape(layer.groups, -1)
    logs = logarithm(np.abs(rows).max(-1))
    largest = logs.max(-1)
    power = float(squares[result].sum()) if result in squares else float((square * mean_square).sum())
    return Term(
        square=square,
        powers=np.exp(ORDER * (logs - largest[..., None])),
        largest=largest,
        before=channels.classes.get(source, np.full(layer.in_channels, -1)),
        after=channels.classes.get(result, np.full(layer.out_channels, -1)),
        value=source,
        mean_square=mean_square,
        taps=rows.shape[-1] * share,
        power=max(power, 1e-30),
        codes=2.0 ** (bits - 1) - 1,
    )


def logarithm(values: NDArray[np.floating]) -> F64:
    """Natural logarithm, with 0 replaced by a number far below the largest."""
    array = np.asarray(values, np.float64)
    return np.asarray(np.log(np.maximum(array, max(float(array.max(initial=0.0)), 1e-30) * 1e-12)))
