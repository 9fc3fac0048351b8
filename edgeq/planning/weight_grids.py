"""Choose the scales of constants, by range or by weighted squared error.

Scales are kept clear of saturating kernels and of overflowing biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.graph.layer import Layer
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.formats.parts import Room
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams, grid_for_range
from edgeq.numerics.rounding.codes import Codes, Snap
from edgeq.numerics.rounding.scales import scales_for
from edgeq.numerics.saturation import neighbours, worst_pairs
from edgeq.planning.exact.factors import Requantized
from edgeq.schema.target_facts import ActivationFacts, WeightFacts

#: the bias must stay below this multiple of its scale: half of int32; the other half is for the sum
#: of products that it is added to
BIAS_LIMIT = float(2**30)
#: the scale of a bias must stay above this, the smallest float32 of full precision
LEAST_BIAS_SCALE = 2.0**-126
#: number of bits in which the bias of a channel without weights is stored
DEAD_BITS = 24


@dataclass(frozen=True)
class BiasSide:
    """What limits a weight scale from outside.

    The bias scale is input scale * weight scale, so the input scale and the bias decide when int32
    would overflow.
    """

    #: the layer's input scale
    scale: float
    #: [C]; None: no bias
    bias: F32 | None
    #: the smallest weight scale for which the target can shift the sums; `most` is the largest
    least: float = 0.0
    most: float = float("inf")


def code_range(facts: WeightFacts, bits: int) -> tuple[int, int]:
    """The least and the largest code of a symmetric weight of `bits` bits.

    For 4 bits they are -7..7, or -8..7 if the target uses the lowest code.
    """
    low, high = LIMITS[facts.dtype]
    spare = 8 - bits
    return -(-low >> spare) + int(facts.narrow), high >> spare


def codes_of(facts: WeightFacts, layer: Layer, bits: int) -> Codes:
    """The codes that a weight row of the layer may have on the target, in `bits` bits."""
    low, high = code_range(facts, bits)
    return Codes(low, high, () if layer.depthwise else neighbours(layer.kernel), facts.pair_limit, facts.power_of_two)


def unlimited(facts: WeightFacts) -> Codes:
    """The codes of a table that is not an operand of any multiplication."""
    low, high = LIMITS[facts.dtype]
    return Codes(low + int(facts.narrow), high, (), None, facts.power_of_two)


def choose_scales(
    rows: F32,
    importance: F64,
    codes: Codes,
    rule: Literal["minmax", "mse"],
    shared: bool,
    sides: Sequence[BiasSide],
    requantized: Requantized | None = None,
) -> F32:
    """Choose scale [G, C] of symmetric grids for rows [G, C, K] with importance [G, K].

    sides: of every layer that uses the rows, against bias overflow. requantized: only scales whose
    factors all runtimes round alike, where such scales exist. The others: see free_scales.
    """
    snap = codes.snap if requantized is None else requantized.above
    return bounded(free_scales(rows, importance, codes, rule, shared, snap), rows, codes, shared, sides)


def free_scales(rows: F32, importance: F64, codes: Codes, rule: Literal["minmax", "mse"], shared: bool, snap: Snap | None = None) -> F32:
    """Scales [G, C] that nothing outside of the rows [G, C, K] limits.

    minmax: the row's range just fits, and so do neighbouring codes. mse: see rounding.scales_for.
    snap: maps scales to allowed scales that are not smaller; by default codes.snap.
    """
    snap = snap or codes.snap
    return snap(_spanning(rows, codes, shared)) if rule == "minmax" else scales_for(rows, importance, codes, shared, snap)


def room_for(rows: F32, codes: Codes, shared: bool, sides: Sequence[BiasSide], requantized: Requantized | None = None) -> Room:
    """What a layer and its target leave to a number format; the arguments are those of
    choose_scales.
    """
    snap = codes.snap if requantized is None else requantized.above

    def allowed(scale: F32) -> F32:
        return bounded(snap(scale), rows, codes, shared, sides)

    return Room(allowed, codes.pairs, codes.limit, shared)


def bounded(scale: F32, rows: F32, codes: Codes, shared: bool, sides: Sequence[BiasSide]) -> F32:
    """Scales within the limits of the biases and of the target's shifts."""
    fitted = codes.snap(_fit_biases(scale, rows, [side for side in sides if side.bias is not None], shared))
    # the floor is last: no shift exists for a scale that is too fine, while for one that is too
    # coarse the output's grid can be lifted
    most, least = min((side.most for side in sides), default=float("inf")), max((side.least for side in sides), default=0.0)
    return np.asarray(np.maximum(np.minimum(fitted, most), least), np.float32)


def least_scales(rows: F32, sides: Sequence[BiasSide], shared: bool) -> F32:
    """The smallest scale [G, C] that each row's biases allow; 0 where there is no bias.

    A row of zeros should take exactly this scale.
    """
    return _fit_biases(np.zeros(rows.shape[:2], np.float32), rows, [side for side in sides if side.bias is not None], shared)


def _spanning(rows: F32, codes: Codes, shared: bool) -> F32:
    peak = np.abs(rows).max(-1, initial=0.0) / codes.qmax
    if codes.limit is not None:
        peak = np.maximum(peak, worst_pairs(rows, codes.pairs) / (codes.limit - 1))  # both may be rounded up by half a code
    if shared:
        peak = np.full_like(peak, peak.max(initial=0.0))
    return np.where(peak > 0, peak, 1.0).astype(np.float32)


def _fit_biases(scale: F32, rows: F32, sides: Sequence[BiasSide], shared: bool) -> F32:
    """Lift scales whose biases would overflow int32.

    Rows of zeros get the scale that stores their largest bias in DEAD_BITS bits.
    """
    if not sides:
        return scale
    ratios = [_peaks(side, scale) / side.scale for side in sides]
    peak = np.maximum.reduce([np.full_like(ratio, ratio.max()) for ratio in ratios] if shared else ratios)
    dead = np.full(scale.shape, not np.any(rows)) if shared else ~np.any(rows, axis=-1)
    fitted = np.where(dead & (peak > 0), peak / 2.0**DEAD_BITS, scale)
    least = LEAST_BIAS_SCALE / min(side.scale for side in sides)
    return np.asarray(np.maximum(fitted, np.maximum(peak / BIAS_LIMIT * (1 + 1e-6), least)), np.float32)


def _peaks(side: BiasSide, scale: F32) -> F64:
    """The magnitude of each row's bias, shaped like scale; a single number applies to all rows."""
    assert side.bias is not None
    return np.abs(np.broadcast_to(side.bias.reshape(-1), scale.size).astype(np.float64)).reshape(scale.shape)


def symmetric_grid(scale: F32, axis: int | None, facts: WeightFacts) -> QuantParams:
    """A weight grid with zero point 0 from scale [C]; if axis is None, its first entry is used."""
    flat = np.asarray(scale.reshape(-1)[0] if axis is None else scale.reshape(-1), np.float32)
    granularity = PerTensor() if axis is None else PerChannel(axis)
    return QuantParams(facts.dtype, flat, np.zeros(flat.shape, np.int32), granularity, facts.narrow)


def constant_grid(array: NDArray[np.floating], facts: ActivationFacts) -> QuantParams:
    """The grid of a constant operand of Add, Mul, ...: it spans exactly its values and 0."""
    low, high = float(array.min(initial=0.0)), float(array.max(initial=0.0))
    return grid_for_range(low, high, facts.dtype, facts.symmetric, power_of_two=facts.power_of_two)
