"""Grids of constant tensors: per-channel or per-tensor, from the values alone or by least squared error."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.quant import LIMITS, QuantParams, grid_for_channels, grid_for_range
from edgeq.target import Weights

#: shrink factors of the range that the mse rule tries, largest first: a tie keeps the wider range
SHRINK = np.linspace(1.0, 0.6, 21)
#: the int32 bias must stay below this multiple of its scale
BIAS_LIMIT = float(2**31 - 2**8)


def weight_grid(weight: NDArray[np.floating], axis: int | None, facts: Weights, rule: Literal["minmax", "mse"]) -> QuantParams:
    """The grid of one weight. axis: of the channels, None for one scale. mse: the range whose rounding and clipping error is least."""
    rows = _rows(weight, axis)
    low, high = rows.min(1, initial=0.0), rows.max(1, initial=0.0)
    if rule == "mse" and rows.size:
        shrink = best_shrink(rows, facts)
        low, high = low * shrink, high * shrink
    if axis is None:
        return grid_for_range(float(low[0]), float(high[0]), facts.dtype, facts.symmetric, facts.narrow)
    return grid_for_channels(low.astype(np.float32), high.astype(np.float32), axis, facts.dtype, facts.symmetric, facts.narrow)


def best_shrink(rows: NDArray[np.float32], facts: Weights) -> NDArray[np.float64]:
    """rows [C, K] -> [C]: the factor of SHRINK with the least sum of squared errors of each row."""
    qmin, qmax = LIMITS[facts.dtype]
    qmin += int(facts.narrow)
    low, high = rows.min(1, initial=0.0), rows.max(1, initial=0.0)
    best = np.full(len(rows), np.inf)
    chosen = np.ones(len(rows))
    scratch = np.empty_like(rows)
    for factor in SHRINK:
        grid = grid_for_channels(low * np.float32(factor), high * np.float32(factor), 0, facts.dtype, facts.symmetric, facts.narrow)
        scale, zero = grid.scale[:, None], grid.zero_point[:, None].astype(np.float32)
        np.divide(rows, scale, out=scratch)
        np.rint(scratch, out=scratch)
        np.clip(scratch, qmin - zero, qmax - zero, out=scratch)
        scratch *= scale
        scratch -= rows
        error = np.einsum("ck,ck->c", scratch, scratch, dtype=np.float64)
        better = error < best
        best[better], chosen[better] = error[better], factor
    return chosen


def constant_grid(array: NDArray[np.floating], dtype: str, symmetric: bool) -> QuantParams:
    """The grid of a constant operand of Add, Mul, ...: it spans exactly the constant's values and 0."""
    return grid_for_range(float(array.min(initial=0.0)), float(array.max(initial=0.0)), dtype, symmetric)


def lift_for_bias(grid: QuantParams, input_scale: float, bias: NDArray[np.floating]) -> QuantParams:
    """Widen the weight scales whose bias would overflow int32 at scale input_scale * weight_scale."""
    peak = np.abs(bias.astype(np.float64)).reshape(-1)
    scale = grid.scale.astype(np.float64)
    if scale.ndim == 0:
        peak = peak.max(initial=0.0)
    needed = peak / (input_scale * BIAS_LIMIT)
    lifted = np.maximum(scale, needed * (1 + 1e-6)).astype(np.float32)
    return QuantParams(grid.dtype, np.asarray(lifted, np.float32), grid.zero_point, grid.granularity, grid.narrow)


def fill_dead_channels(
    grid: QuantParams, weight: NDArray[np.floating], axis: int | None, input_scale: float, bias: NDArray[np.floating]
) -> QuantParams:
    """Give channels whose weights are all 0 the scale that stores their bias in 24 bits (any scale stores the zeros)."""
    dead = ~np.any(_rows(weight, axis), axis=1)
    if not dead.any():
        return grid
    peak = np.broadcast_to(np.abs(bias.astype(np.float64)).reshape(-1), (max(len(dead), bias.size),))
    if axis is None:
        wanted = np.array(peak.max(initial=0.0) / (input_scale * 2.0**24))
        scale = np.where(dead[0] & (wanted > 0), wanted, grid.scale)
    else:
        scale = np.where(dead & (peak > 0), peak / (input_scale * 2.0**24), grid.scale)
    return QuantParams(grid.dtype, scale.astype(np.float32), grid.zero_point, grid.granularity, grid.narrow)


def _rows(weight: NDArray[np.floating], axis: int | None) -> NDArray[np.float32]:
    """[C, K]: one row a channel, or a single row."""
    array = weight.astype(np.float32, copy=False)
    if axis is None:
        return array.reshape(1, -1)
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
