"""Fit layer after layer, each to the outputs of the quantized layers before it.

A layer thereby compensates part of the errors made so far.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.moments import LEAST_ROWS, ROWS_PER_COLUMN
from edgeq.calibration.value_sizes import run_bytes
from edgeq.data.dataset import Dataset
from edgeq.engines.sent import Sent
from edgeq.graph.layer import Layer
from edgeq.graph.layer_rows import rows_of
from edgeq.numerics.arrays import F64, AnyArray
from edgeq.numerics.grid import QuantParams, grid_for_range, quantize
from edgeq.numerics.rounding.exact_sums import SAFE_ROWS
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.planning.weights import side_of
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.refine.step_by_step.bias_correction import bias_of, correct, shifted, some_runs
from edgeq.refine.step_by_step.integer_twin import fed, put_weight
from edgeq.refine.step_by_step.sequence_goal import Rows, goal, together
from edgeq.refine.step_by_step.side_by_side import Both, Models, SideBySide
from edgeq.refine.weight_fit import Aim, Fitted, Small, fit_rows, requantization_of
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned

#: the most samples that are held, the fewest that justify the fits, and the memory limit in bytes
#: for the values of all samples at one point of a model
SAMPLES, LEAST_SAMPLES, HELD_BYTES = 128, 16, 1024 << 20
#: rows that are taken of a sample, if it has that many
ROWS_A_SAMPLE = 256


def held_samples(model: ir.Model, data: Dataset) -> int:
    """How many runs of the data can be held while both models run step by step; 0 if too few."""
    runs = data.runs
    held = min(SAMPLES, HELD_BYTES // max(1, 2 * run_bytes(model, data)), runs)
    return held if held >= min(LEAST_SAMPLES, runs) else 0


def in_sequence(model: ir.Model, layers: Sequence[Weighted]) -> tuple[Weighted, ...]:
    """The layers that can be fitted in sequence: in the main graph, with a weight of their own."""
    users = Counter(one.weight for one in layers)
    return tuple(one for one in layers if one.node.graph is model.graph and users[one.weight] == 1)


def fit_in_sequence(
    draft: Draft,
    late: Sequence[Weighted],
    small: Mapping[str, Small],
    emulate: Callable[[Plan], ir.Model],
    data: Dataset,
    progress: Progress,
) -> Planned:
    """Fit the weights of `late` in sequence and correct the biases of all layers of the main graph.

    Returns the draft's plan with both; the result's own draft has the same weights and uncorrected
    biases. small: by weight_key, how weights are stored in fewer bits. emulate: returns the
    integer model of a plan.
    """
    plan, model = draft.plan, draft.model
    runs = some_runs(data, max(1, held_samples(model, data)))
    integer, due = emulate(plan), [one for one in draft.layers if one.node.graph is model.graph]
    progress.start("fit in sequence", len(due))
    twins = {str(node.name): node for node in integer.graph}
    both = SideBySide(Models(Sent.of(integer), Sent.of(model), data, runs, held=tuple(one.layer.node for one in late)))
    weights, biases, uncorrected, keys = dict(plan.weights), dict(plan.biases), dict(plan.biases), {one.key for one in late}
    for one in due:
        twin, bias = twins[one.layer.node], biases.get(one.layer.node)
        mean = np.zeros(1)
        if one.key in keys:
            rows = _rows(one, both, plan, len(runs), draft.task.recipe.seed)
            fit, own, mean = _fit(one, rows, draft, small.get(one.key))
            weights[one.key] = fit.grid
            both.tell(_Put(one.layer, one.kernel.weight, fit))
            if bias_of(one) is not None:
                uncorrected[one.layer.node] = shifted(one, bias, own)
        if bias_of(one) is not None:
            biases[one.layer.node] = shifted(one, bias, correct(one, twin, both, plan, mean))
        progress.advance(1)
    fitted = plan.with_weights(weights)
    return Planned(fitted.with_biases(biases), fitted.with_biases(uncorrected))


def _fit(one: Weighted, halves: tuple[Rows, Rows], draft: Draft, small: Small | None) -> tuple[Fitted, F64, F64]:
    """The fitted weight, and two shifts [C] of the bias for the mean error that it leaves.

    The first compensates its own rounding, the second the errors of its inputs as well.
    """
    weight, side, rows = one.rows(), side_of(one.node, one.kernel, draft.plan.grids_read(one.layer.node)), together(halves)
    seen = rows if side.bias is None else rows.centred()  # a bias compensates the mean error
    apart = halves if side.bias is None else (halves[0].centred(), halves[1].centred())
    with threadpool_limits(1, user_api="blas"):  # the same order of summation for any number of threads
        how = requantization_of([one], draft)
        moment = seen.moment if how is None else seen.moment * side.scale**2
        fit = fit_rows(
            one, Aim(goal(weight, apart), HalfMatrix.of(moment, math.prod(one.layer.kernel[1:])), [side], how), draft.task, small
        )
    got = np.einsum("gck,gk->gc", fit.codes.astype(np.float64), rows.mean) * fit.scale
    own, whole = (np.einsum("gck,gk->gc", weight, mean) - got for mean in (rows.mean, rows.mean + rows.mean_error))
    return fit, own.reshape(-1) * side.scale, whole.reshape(-1) * side.scale


def _rows(one: Weighted, both: SideBySide, plan: Plan, samples: int, seed: int) -> tuple[Rows, Rows]:
    """The inputs of a layer in both models, at the same places, in two halves of the samples."""
    own = plan.grids[one.layer.source].params if one.layer.source in plan.grids else None
    quota = max(ROWS_A_SAMPLE, -(-max(ROWS_PER_COLUMN * one.layer.columns, LEAST_ROWS) // samples))
    found = both.ask(_Read(one.layer, own, quota, seed))
    halves = (found[::2], found[1::2] or found)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor() as pool:
        first, second = pool.map(_sums, halves)
    return first, second


@dataclass(frozen=True, eq=False)
class _Read:
    """Read the inputs of a layer in both models: the same rows of each."""

    layer: Layer
    #: the input grid; None: it is measured at every run
    own: QuantParams | None
    quota: int
    seed: int

    def on(self, both: Both) -> list[tuple[AnyArray, AnyArray]]:
        source = both.nodes[self.layer.node].inputs[0]
        assert source is not None
        pairs = zip(both.places, both.ours.reach(fed(both.twins[self.layer.node])), both.theirs.reach(source), strict=True)
        return [_codes(self.layer, place, got, wanted, self.own, self.quota, self.seed) for place, got, wanted in pairs]


@dataclass(frozen=True, eq=False)
class _Put:
    """Let the integer model go on with the weight that was fitted."""

    layer: Layer
    index: int | None
    fit: Fitted

    def on(self, both: Both) -> list[None]:
        put_weight(both.twins[self.layer.node], self.layer, self.index, self.fit)
        return []


def _sums(found: Sequence[tuple[AnyArray, AnyArray]]) -> Rows:
    codes, errors = (np.concatenate([each[side] for each in found], axis=1) for side in (0, 1))
    count = codes.shape[1]
    moment, cross = _products(codes, codes) / count, _products(errors, codes) / count
    return Rows(moment, cross, codes.mean(1, dtype=np.float64), errors.mean(1, dtype=np.float64), count)


def _codes(
    layer: Layer, sample: int, got: AnyArray, wanted: AnyArray, own: QuantParams | None, quota: int, seed: int
) -> tuple[AnyArray, AnyArray]:
    """Rows x' of a sample as codes of the layer's input grid, and x - x' in units of its scale.

    own: the input grid; None: it is measured at every run.
    """
    grid = own or grid_for_range(float(got.min()), float(got.max()), "uint8")
    chance = [seed, sample, zlib.crc32(layer.node.encode())]
    theirs, ours = (rows_of(layer, np.asarray(value, np.float32), quota, np.random.default_rng(chance)) for value in (wanted, got))
    codes = quantize(ours, grid).astype(np.float32) - np.float32(grid.zero_point)
    return codes, theirs / np.float32(grid.scale) - codes


def _products(first: AnyArray, second: AnyArray) -> F64:
    """The sum of a b^T over rows a, b [G, R, K]: [G, K, K].

    It is computed in parts that float32 adds exactly if both are codes.
    """
    total = np.zeros((first.shape[0], first.shape[2], second.shape[2]))
    for start in range(0, first.shape[1], SAFE_ROWS):
        part = slice(start, start + SAFE_ROWS)
        total += np.swapaxes(first[:, part], 1, 2) @ second[:, part]
    return total
