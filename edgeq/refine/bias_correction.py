"""Correct each layer's bias so that its output comes as close as possible to the float model's.

The integer model, as corrected so far, and the float model run side by side on a few samples, layer
after layer. The mean error of an output channel, caused by clipped and rounded values before the
layer and by its own rounded weights, is subtracted from its bias. Only places where the output grid
does not saturate count, since a bias has no effect elsewhere. (Empirical bias correction, Nagel et
al., arXiv:1906.04721, section 4.2; there the mean is taken before the activation function, over all
places.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgeq.calibration.stepwise import Stepwise
from edgeq.calibration.value_sizes import run_bytes
from edgeq.data.dataset import Dataset
from edgeq.graph.read import clip_bounds, constant, is_op, only_consumer
from edgeq.numerics.arrays import F64, AnyArray
from edgeq.numerics.grid import QuantParams
from edgeq.progress import Progress, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan

#: largest number of samples: three times as many gave no better models
SAMPLES = 32
#: memory limit in bytes for the values of all samples at one point of the model
HELD_BYTES = 96 << 20


def correct_biases(
    draft: Draft, layers: Sequence[Weighted], emulate: Callable[[Plan], ir.Model], data: Dataset, progress: Progress | None = None
) -> Plan:
    """The draft's plan with corrected biases for the layers in the main graph.

    emulate: returns the integer model of a plan.
    """
    progress, plan, model = progress or Silent(), draft.plan, draft.model
    mine = {one.layer.node: one for one in layers if one.node.graph is model.graph and bias_of(one) is not None}
    if not mine:
        return plan
    feeds = some_runs(data, max(1, min(SAMPLES, HELD_BYTES // max(1, run_bytes(model, data)))))
    progress.start("correct biases", len(mine))
    integer = emulate(plan)
    order = [node for node in model.graph if node.name in mine]
    ours, theirs = Stepwise(integer, feeds), Stepwise(model, feeds, due=order)
    biases, twins = dict(plan.biases), {str(other.name): other for other in integer.graph}
    for node in order:
        one = mine[str(node.name)]
        shift = correct(node, twins[str(node.name)], ours, theirs, plan)
        biases[one.layer.node] = shifted(one, biases.get(one.layer.node), shift)
        progress.advance(1)
    return plan.with_biases(biases)


def correct(node: ir.Node, twin: ir.Node, ours: Stepwise, theirs: Stepwise, plan: Plan, known: F64 | None = None) -> F64:
    """The shift [C] that brings a layer's integer twin closest to the layer of the float model.

    Runs both layers on all samples. known: a shift that is added in any case.
    """
    got, wanted = ours.advance(twin), theirs.advance(node)
    if known is not None:
        _add(got, known)
    grid = plan.grids.get(str(twin.outputs[0].name))
    shift = best_shift(wanted, got, *_ends(node, None if grid is None else grid.params))
    _add(got, shift)
    return shift if known is None else known + shift


def _add(arrays: Sequence[AnyArray], shift: F64) -> None:
    """Add a number per channel (axis 1), in place."""
    for array in arrays:
        array += shift.astype(np.float32).reshape(_along(array))


def shifted(one: Weighted, now: tuple[float, ...] | None, shift: F64) -> tuple[float, ...]:
    """A layer's bias plus `shift` [C]; the bias is `now` or, if that is None, the model's."""
    bias = bias_of(one)
    assert bias is not None
    before = np.asarray(bias.reshape(-1) if now is None else now, np.float64)
    return tuple(float(np.float32(b)) for b in np.broadcast_to(before, shift.shape) + shift)


def _ends(node: ir.Node, grid: QuantParams | None) -> tuple[float, float]:
    """The interval in which a change of the layer's output has an effect on its readers.

    Outside it, the output grid or a Relu or Clip saturates.
    """
    low, high = (-np.inf, np.inf) if grid is None else (float(grid.low), float(grid.high))
    reader = only_consumer(node.outputs[0])
    cut = clip_bounds(reader) if reader is not None and is_op(reader, "Relu", "Clip") else None
    return (low, high) if cut is None else (max(low, cut[0]), min(high, cut[1]))


def best_shift(wanted: Sequence[AnyArray], got: Sequence[AnyArray], low: float, high: float) -> F64:
    """The shift [C] per channel (axis 1) that brings `got` closest to `wanted` after clipping.

    wanted, got: one array per sample. A `low` of 0 stands for a Relu: all numbers below are equal.
    The shift is multiplied by shift^2 / (shift^2 + variance), with the variance of its estimate
    over the samples; a channel whose squared error it would increase is left unchanged.
    """
    floor = low if low == 0 else -np.inf
    sums, counts = [], []
    for target, value in zip(wanted, got, strict=True):
        inside = (value > low) & (value < high)
        error = np.where(inside, np.maximum(target, floor) - value, 0)
        sums.append(_over_places(error))
        counts.append(_over_places(inside))
    total, count = np.array(sums), np.array(counts)
    shift = total.sum(0) / np.maximum(count.sum(0), 1)
    doubt = ((total - shift * count) ** 2).sum(0) / np.maximum(count.sum(0), 1) ** 2
    shift = shift * (shift**2 / np.maximum(shift**2 + doubt, 1e-300))
    before, after = (_error(wanted, got, by, low, high, floor) for by in (np.zeros_like(shift), shift))
    return np.where(after <= before, shift, 0.0)


def _error(wanted: Sequence[AnyArray], got: Sequence[AnyArray], shift: F64, low: float, high: float, floor: float) -> F64:
    """Squared error per channel [C] after clipping to the grid."""
    found = np.zeros(shift.shape)
    for target, value in zip(wanted, got, strict=True):
        moved = np.clip(value + shift.astype(np.float32).reshape(_along(value)), low, high)
        found += _over_places(np.square(moved - np.maximum(target, floor)))
    return found


def _over_places(array: AnyArray) -> F64:
    """The sum over all axes but the channels."""
    return np.asarray(array.sum(tuple(axis for axis in range(array.ndim) if axis != 1), dtype=np.float64))


def _along(array: AnyArray) -> tuple[int, ...]:
    return (1, -1, *[1] * (array.ndim - 2))


def bias_of(one: Weighted) -> AnyArray | None:
    """The constant bias of a layer, or None."""
    index = one.kernel.bias
    return constant(one.node.inputs[index]) if index is not None and index < len(one.node.inputs) else None


def some_runs(data: Dataset, number: int) -> list[Mapping[str, AnyArray]]:
    """About `number` runs of the data, spread evenly."""
    runs = data.runs
    chosen = {index * runs // number for index in range(number)} if runs > number else set(range(runs))
    return [batch.feeds for index, batch in enumerate(data.batches(1)) if index in chosen]
