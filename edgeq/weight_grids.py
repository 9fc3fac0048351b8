"""Grids and codes of constants: scales by range or by weighted squared error, kept clear of saturating kernels and overflowing biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.quant import LIMITS, PerChannel, PerTensor, QuantParams, grid_for_range
from edgeq.rounding import Codes, scales_for
from edgeq.saturation import neighbours, worst_pairs
from edgeq.target import Weights
from edgeq.windows import Layer

#: the int32 bias must stay below this multiple of its scale
BIAS_LIMIT = float(2**31 - 2**8)
#: bits that the bias of a channel without weights is stored in
DEAD_BITS = 24


@dataclass(frozen=True)
class Side:
    """The other factor of a bias scale: the layer's input scale, and the bias [C] (None: no bias)."""

    scale: float
    bias: NDArray[np.float32] | None


def codes_of(facts: Weights, layer: Layer) -> Codes:
    """The codes that a weight row of the layer may take on the target.

    Depthwise kernels never add neighbours in int16; onnxruntime has them for one output a channel only.
    """
    low, high = LIMITS[facts.dtype]
    depthwise = layer.groups > 1 and layer.kernel[0] == 1 and layer.outputs == 1
    return Codes(low + int(facts.narrow), high, () if depthwise else neighbours(layer.kernel), facts.pair_limit)


def unlimited(facts: Weights) -> Codes:
    """The codes of a table that no kernel multiplies with."""
    low, high = LIMITS[facts.dtype]
    return Codes(low + int(facts.narrow), high, (), None)


def choose_scales(
    rows: NDArray[np.float32],
    importance: NDArray[np.float64],
    codes: Codes,
    rule: Literal["minmax", "mse"],
    shared: bool,
    side: Side | None,
) -> NDArray[np.float32]:
    """rows [G, C, K], importance [G, K] -> scale [G, C] of symmetric grids.

    minmax: the row's range just fits, and so do neighbouring codes. mse: see rounding.scales_for. side: for the overflow guard.
    """
    scale = _spanning(rows, codes, shared) if rule == "minmax" else scales_for(rows, importance, codes, shared)
    return scale if side is None else _fit_bias(scale, rows, side, shared)


def _spanning(rows: NDArray[np.float32], codes: Codes, shared: bool) -> NDArray[np.float32]:
    peak = np.abs(rows).max(-1, initial=0.0) / codes.qmax
    if codes.limit is not None:
        peak = np.maximum(peak, worst_pairs(rows, codes.pairs) / (codes.limit - 1))  # both may be rounded up by half a code
    if shared:
        peak = np.full_like(peak, peak.max(initial=0.0))
    return np.where(peak > 0, peak, 1.0).astype(np.float32)


def _fit_bias(scale: NDArray[np.float32], rows: NDArray[np.float32], side: Side, shared: bool) -> NDArray[np.float32]:
    """Lift scales whose bias would overflow int32; give rows of zeros the scale that stores their bias in DEAD_BITS."""
    if side.bias is None:
        return scale
    peak = np.abs(np.broadcast_to(side.bias.reshape(-1), scale.size).astype(np.float64)).reshape(scale.shape)
    if shared:
        peak = np.full_like(peak, peak.max(initial=0.0))
        dead = np.full(scale.shape, not np.any(rows))
    else:
        dead = ~np.any(rows, axis=-1)
    fitted = np.where(dead & (peak > 0), peak / (side.scale * 2.0**DEAD_BITS), scale)
    return np.maximum(fitted, peak / (side.scale * BIAS_LIMIT) * (1 + 1e-6)).astype(np.float32)


def symmetric_grid(scale: NDArray[np.float32], axis: int | None, facts: Weights) -> QuantParams:
    """A weight grid with zero point 0. scale [C], of which one stands for all when axis is None."""
    flat = np.asarray(scale.reshape(-1)[0] if axis is None else scale.reshape(-1), np.float32)
    granularity = PerTensor() if axis is None else PerChannel(axis)
    return QuantParams(facts.dtype, flat, np.zeros(flat.shape, np.int32), granularity, facts.narrow)


def constant_grid(array: NDArray[np.floating], dtype: str, symmetric: bool) -> QuantParams:
    """The grid of a constant operand of Add, Mul, ...: it spans exactly the constant's values and 0."""
    return grid_for_range(float(array.min(initial=0.0)), float(array.max(initial=0.0)), dtype, symmetric)
