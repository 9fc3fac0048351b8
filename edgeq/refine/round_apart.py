"""Round weights so that the layers' outputs change least; biases compensate the mean error.

Each layer is rounded by itself, for the inputs that the float model gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import WORKERS
from edgeq.calibration.moments import Moment, measure_moments
from edgeq.data.dataset import Dataset
from edgeq.graph.layer import Layer
from edgeq.numerics.arrays import F32, F64
from edgeq.planning.kernel_fit import channel_axis
from edgeq.planning.weights import side_of
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.refine.weight_fit import Aim, Fitted, fit_rows, requantization_of
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan


def moments_of(draft: Draft, layers: tuple[Weighted, ...], data: Dataset, progress: Progress) -> dict[str, Moment]:
    """Second moments of each layer's inputs in the float model, on the plan's grids, by node."""
    grids = {name: grid.params for name, grid in draft.plan.grids.items()}
    return measure_moments(draft.model, [one.layer for one in layers], grids, data, seed=draft.task.recipe.seed, progress=progress)


def round_apart(draft: Draft, layers: tuple[Weighted, ...], moments: Mapping[str, Moment], bits: Mapping[str, int] | None = None) -> Plan:
    """The plan with scales and codes that minimise each layer's output error under its moments.

    bits: index width, by weight_key, of weights that become codebooks. Nodes that share a weight
    and use it alike get one rounding, for the sum of their moments.
    """
    plan = draft.plan
    weights, biases = dict(plan.weights), dict(plan.biases)
    shared: dict[tuple[str, Layer, int | None, bool], list[Weighted]] = {}
    for one in layers:
        if moments[one.layer.node].rows:
            geometry = Layer("", "", one.layer.groups, one.layer.kernel, one.layer.outputs, one.layer.inputs_first)
            measured = one.layer.source not in plan.grids  # the grid is measured at every run, so its moments have a unit of their own
            shared.setdefault((one.weight, geometry, channel_axis(one.node, one.kernel), measured), []).append(one)
    groups = list(shared.values())
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(lambda users: _round(users, moments, draft, bits or {}), groups)
    for users, (fit, rows) in zip(groups, results, strict=True):
        for one in users:
            weights[one.key] = fit.grid
            corrected = _bias(one, moments[one.layer.node], plan, rows - fit.codes * fit.scale[..., None])
            if corrected is not None:
                biases[one.layer.node] = corrected
    return plan.with_weights(weights).with_biases(biases)


def _round(users: list[Weighted], moments: Mapping[str, Moment], draft: Draft, bits: Mapping[str, int]) -> tuple[Fitted, F32]:
    rows = users[0].rows()
    moment = np.asarray(sum(_seen(one, moments[one.layer.node], draft.plan) for one in users), np.float64)
    sides = [side_of(one.node, one.kernel, draft.plan.grids) for one in users]
    aim = Aim(rows, moment, sides, requantization_of(users, draft))
    return fit_rows(users[0], aim, draft.task, bits.get(users[0].key)), rows


def _seen(one: Weighted, moment: Moment, plan: Plan) -> F64:
    """H in real units; the covariance if the layer has a bias, which compensates the mean error."""
    # a grid that is measured at every run has a different step each time: the moments are in units
    # of it, so that all runs count alike
    scale = plan.grids[one.layer.source].scale if one.layer.source in plan.grids else 1.0
    side = side_of(one.node, one.kernel, plan.grids)
    return (moment.second if side.bias is None else moment.covariance) * scale**2


def _bias(one: Weighted, moment: Moment, plan: Plan, error: F32) -> tuple[float, ...] | None:
    """b + (W - sQ) E[x], or None for a layer without a bias."""
    side = side_of(one.node, one.kernel, plan.grids)
    if side.bias is None:
        return None
    shift = np.einsum("gck,gk->gc", error.astype(np.float64), moment.mean * side.scale).reshape(-1)
    bias = np.broadcast_to(side.bias.reshape(-1).astype(np.float64), shift.shape)
    return tuple(float(np.float32(b)) for b in bias + shift)
