"""Round the weights of recurrent layers with the data in view, in integers or only stored so.

W multiplies the layer's input, R its state. The state is what the layer hands out, one step later,
so the moments of both are read from values of the float model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import Listed, Run, Runs, measured
from edgeq.calibration.moments import LEAST_ROWS, ROWS_PER_COLUMN
from edgeq.data.dataset import Dataset
from edgeq.graph.read import attribute_int, constant, is_op
from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.grid import PerChannel, grid_for_range, quantize
from edgeq.numerics.rounding.with_feedback import round_with_feedback
from edgeq.planning.recurrent import WEIGHTS, row_codes
from edgeq.planning.stored_weights import LARGEST_SHARE
from edgeq.planning.weight_grids import choose_scales, symmetric_grid, unlimited
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.schema.plan import Plan
from edgeq.schema.weights import WeightPlan, integer_weight, weight_key


@dataclass(frozen=True, eq=False)
class _Site:
    """One weight [D, gates * H, K] of a recurrent layer."""

    node: ir.Node
    #: 1: W, 2: R
    index: int
    #: the value whose numbers the weight multiplies
    source: str

    @property
    def key(self) -> str:
        """The weight's key in a plan."""
        return weight_key(self.node.name, self.index)

    def array(self) -> F32:
        """The weight."""
        return np.asarray(constant(self.node.inputs[self.index]), np.float32)

    @property
    def input(self) -> _Input:
        """What it multiplies."""
        if self.index == WEIGHTS[0]:
            return _Input(self.key, self.source, None)
        return _Input(self.key, self.source, 2 if attribute_int(self.node, "layout", 0) else 1)


@dataclass(frozen=True)
class _Input:
    """What a weight multiplies."""

    #: the weight's key in a plan
    key: str
    #: the name of the value
    source: str
    #: the axis of the directions; None: all have the same
    axis: int | None

    def rows(self, value: AnyArray) -> AnyArray:
        """[D, n, K], or [1, n, K] where that is the same for all D."""
        if self.axis is None:
            return value.reshape(1, -1, value.shape[-1])
        return np.moveaxis(value, self.axis, 0).reshape(value.shape[self.axis], -1, value.shape[-1])


def round_recurrent(draft: Draft, data: Dataset, progress: Progress) -> Plan:
    """The draft's plan with scales and codes of least error at the gates, one scale a row.

    The same plan if there is no such weight: those whose scales would take much of the file, and
    those that other layers share, are left as they are.
    """
    plan = draft.plan
    sites = list(_sites(draft))
    if not sites:
        return plan
    moments = _moments(draft.model, sites, data, progress)
    weights, stored = dict(plan.weights), dict(plan.stored)
    with threadpool_limits(1, user_api="blas"):  # sums in one order, whatever the number of threads
        for site in sites:
            if site.key in moments:
                kept = weights if site.key in weights else stored
                kept[site.key] = _rounded(site, moments[site.key], draft)
    return plan.with_weights(weights).with_stored(stored)


def _sites(draft: Draft) -> Iterator[_Site]:
    for node in draft.model.graph:
        if not is_op(node, "LSTM", "GRU", "RNN"):
            continue
        for index, value in zip(WEIGHTS, (node.inputs[0], node.outputs[0]), strict=True):
            weight, key = node.inputs[index], weight_key(node.name, index)
            if value is None or not value.name or weight is None or len(weight.uses()) != 1:
                continue
            site, computed = _Site(node, index, str(value.name)), draft.plan.weights.get(key)
            by_row = computed is not None and computed.format == "integer" and computed.params.granularity == PerChannel(1)
            if by_row or (key in draft.plan.stored and 4 * site.array().shape[1] <= LARGEST_SHARE * site.array().size):
                yield site


def _moments(model: ir.Model, sites: list[_Site], data: Dataset, progress: Progress) -> dict[str, F64]:
    """E[x x^T] of what each weight multiplies, [D or 1, K, K], by weight_key.

    Numbers are taken as codes of a grid of each run's own range: sums of whole numbers below 2^53
    are exact in any order. Of long sequences, every n-th row is taken.
    """
    progress.start("moments of recurrent layers", data.count)
    found: dict[str, tuple[F64, int]] = {}
    for part in measured(model, data, _Multiplying(tuple(site.input for site in sites)), progress):
        for run in part:
            for key, (total, count) in run.items():
                before = found.get(key)
                found[key] = (total, count) if before is None else (before[0] + total, before[1] + count)
    return {key: total / count for key, (total, count) in found.items() if count}


@dataclass(frozen=True, eq=False)
class _Multiplying:
    """A pass that measures the moments of what weights multiply."""

    inputs: tuple[_Input, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.source for one in self.inputs))

    def begin(self, runs: Runs, /) -> Listed[dict[str, tuple[F64, int]]]:
        number = runs.data.runs

        def take(run: Run) -> dict[str, tuple[F64, int]]:
            values = run.values()
            return {one.key: _products(one, values[one.source], number) for one in self.inputs if one.source in values}

        return Listed(take)


def _products(site: _Input, value: AnyArray, runs: int) -> tuple[F64, int]:
    rows = site.rows(value)
    quota = -(-max(ROWS_PER_COLUMN * rows.shape[-1], LEAST_ROWS) // runs)
    rows = rows[:, :: max(1, rows.shape[1] // quota)]
    grid = grid_for_range(float(value.min()), float(value.max()), "uint8")
    codes = quantize(np.asarray(rows, np.float32), grid).astype(np.float64) - float(grid.zero_point)
    return np.swapaxes(codes, 1, 2) @ codes, codes.shape[1]


def _rounded(site: _Site, moment: F64, draft: Draft) -> WeightPlan:
    """One scale for a row of all directions, as both forms of the layer have it."""
    target, recipe, weight = draft.task.target, draft.task.recipe, site.array()
    computed = site.key in draft.plan.weights
    codes = row_codes(weight, target, recipe) if computed else unlimited(target.weights)
    moment = np.broadcast_to(moment, (weight.shape[0], *moment.shape[1:]))
    scale = choose_scales(weight, np.einsum("gkk->gk", moment), codes, recipe.weight_rule if computed else "mse", False, ())
    shared = scale.max(0)
    rounded = round_with_feedback(weight, moment, np.broadcast_to(shared, scale.shape), codes)
    where = "rounded with the data in view: one scale per row of a gate"
    grid = integer_weight(symmetric_grid(shared, 1, target.weights), "mse", where)
    return grid.with_codes(rounded.astype(target.weights.dtype))
