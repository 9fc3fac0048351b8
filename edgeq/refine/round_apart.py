"""Decide, with data in view: round weights so that the layers' outputs change least, and let biases
take up the mean error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import WORKERS
from edgeq.calibration.moments import Moment, measure_moments
from edgeq.data.dataset import Dataset
from edgeq.graph.find_layer import layer_of
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding import Codes, feedback
from edgeq.planning.exact_factors import Requantized
from edgeq.planning.exact_rounding import exact_if_cheap, requantized, round_best
from edgeq.planning.kernel_fit import channel_axis
from edgeq.planning.weight_grids import BiasSide, choose_scales, codes_of, least_scales
from edgeq.planning.weights import side_of, weight_axis, weight_plan
from edgeq.progress import Progress
from edgeq.refine.codebooks import codebook_of
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts
from edgeq.schema.weights import WeightPlan, weight_key


@dataclass(frozen=True)
class Weighted:
    """A node with a constant weight that the plan runs in integers. key: of the weight in the plan;
    weight: its value's name.
    """

    node: ir.Node
    layer: Layer
    kernel: KernelFacts
    key: str
    weight: str


def weighted_layers(model: ir.Model, plan: Plan, target: Target) -> tuple[Weighted, ...]:
    """The layers whose weights rounding can choose, in graph order."""
    found = []
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is None or kernel.weight is None or weight_key(node.name, kernel.weight) not in plan.weights:
            continue
        layer, value = layer_of(node, kernel.weight), node.inputs[kernel.weight]
        known = layer is not None and (layer.source in plan.grids or plan.nodes[str(node.name)].runs == "dynamic")
        if layer is not None and value is not None and known:
            found.append(Weighted(node, layer, kernel, weight_key(node.name, kernel.weight), str(value.name)))
    return tuple(found)


def moments_of(
    model: ir.Model, plan: Plan, layers: tuple[Weighted, ...], data: Dataset, seed: int, progress: Progress
) -> dict[str, Moment]:
    """Node name -> second moments of what the float model hands to each layer, on the plan's
    grids.
    """
    grids = {name: grid.params for name, grid in plan.grids.items()}
    return measure_moments(model, [one.layer for one in layers], grids, data, seed=seed, progress=progress)


def refine(
    plan: Plan,
    layers: tuple[Weighted, ...],
    moments: Mapping[str, Moment],
    target: Target,
    recipe: Recipe,
    bits: Mapping[str, int] | None = None,
) -> Plan:
    """The plan with weight scales and codes that minimise each layer's output error under the
    measured moments.

    bits: key of a weight -> index width, for those that become codebooks. Nodes that share a weight
    and use it alike get one rounding, for the sum of their moments.
    """
    weights, biases = dict(plan.weights), dict(plan.biases)
    shared: dict[tuple[str, Layer, int | None, bool], list[Weighted]] = {}
    for one in layers:
        if moments[one.layer.node].rows:
            geometry = Layer("", "", one.layer.groups, one.layer.kernel, one.layer.outputs, one.layer.inputs_first)
            measured = one.layer.source not in plan.grids  # at every run: its moments have a unit of their own
            shared.setdefault((one.weight, geometry, channel_axis(one.node, one.kernel), measured), []).append(one)
    groups = list(shared.values())
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        results = pool.map(lambda users: _round(users, moments, plan, target, recipe, bits or {}), groups)
    for users, (fit, rows) in zip(groups, results, strict=True):
        for one in users:
            weights[one.key] = fit.grid
            corrected = _bias(one, moments[one.layer.node], plan, rows - fit.codes * fit.scale[..., None])
            if corrected is not None:
                biases[one.layer.node] = corrected
    return plan.with_weights(weights).with_biases(biases)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A weight as the plan says it, and the same as scale [G, C] and whole numbers [G, C, K]."""

    grid: WeightPlan
    scale: F32
    codes: F32


def _round(
    users: list[Weighted], moments: Mapping[str, Moment], plan: Plan, target: Target, recipe: Recipe, bits: Mapping[str, int]
) -> tuple[Fitted, F32]:
    rows = rows_of_weight(users[0])
    moment = np.asarray(sum(_seen(one, moments[one.layer.node], plan) for one in users), np.float64)
    sides = [side_of(one.node, one.kernel, plan.grids) for one in users]
    how = requantization_of(users, plan, target)
    return fit_rows(users[0], rows, moment, sides, target, recipe, bits.get(users[0].key), how), rows


def rows_of_weight(one: Weighted) -> F32:
    """[G, C, K]."""
    return one.layer.weight_rows(_weight(one))


def _weight(one: Weighted) -> F32:
    assert one.kernel.weight is not None
    return np.asarray(constant(one.node.inputs[one.kernel.weight]), np.float32)


def fit_rows(
    one: Weighted,
    rows: F32,
    moment: F64,
    sides: Sequence[BiasSide],
    target: Target,
    recipe: Recipe,
    width: int | None,
    how: Requantized | None = None,
) -> Fitted:
    """Scales and codes that bring a weight near `rows` under the moment. width: bits of a
    codebook's index; None: plain codes.

    how: sums become codes, where runtimes differ in it; the moment then is in real units.
    """
    weight, codes = _weight(one), codes_of(target.weights, one.layer, recipe.weight_bits)
    axis = weight_axis(one.node, one.kernel, target, recipe)
    if width is not None:
        fit = codebook_of(rows, moment, codes, least_scales(rows, sides, axis is None), axis is None, recipe.codebook, width)
        grid = weight_plan(one.layer, fit.scale, fit.codes, weight, axis, target, f"codebook, {width} bits")
        book = grid.as_codebook(recipe.codebook.granularity, channel_axis(one.node, one.kernel) or 0, width)
        return Fitted(book, fit.scale, fit.codes)
    scale, rounded = _scales_and_codes(rows, moment, codes, sides, how, recipe.weight_rule, axis is None)
    grid = weight_plan(one.layer, scale, rounded, weight, axis, target, f"{recipe.weight_rule}, rounded with the data in view")
    return Fitted(grid, scale, rounded)


def _scales_and_codes(
    rows: F32,
    moment: F64,
    codes: Codes,
    sides: Sequence[BiasSide],
    how: Requantized | None,
    rule: Literal["minmax", "mse"],
    shared: bool,
) -> tuple[F32, F32]:
    """Scales [G, C] and codes [G, C, K] of rows [G, C, K]."""
    importance, passed_on = np.einsum("gkk->gk", moment), feedback(moment)
    scale = choose_scales(rows, importance, codes, rule, shared, sides)
    chosen = round_best(rows, moment, [scale], codes, passed_on, shared)
    if how is not None:
        exact = [choose_scales(rows, importance, codes, rule, shared, sides, how), how.above(scale), how.below(scale)]
        chosen = exact_if_cheap(round_best(rows, moment, exact, codes, passed_on, shared), chosen, how.step, shared)
    return chosen.scale, chosen.codes


def requantization_of(users: Sequence[Weighted], plan: Plan, target: Target) -> Requantized | None:
    """How the sums of these layers become codes; None where runtimes do not differ in it, or the
    layers do.
    """
    if not target.integer_only or target.weights.power_of_two:
        return None
    found = {requantized(one.node, plan.nodes, plan.grids) for one in users}
    return found.pop() if len(found) == 1 else None


def _seen(one: Weighted, moment: Moment, plan: Plan) -> F64:
    """H in real units. With a bias the mean error is taken up by it, and only the covariance
    counts.
    """
    # a grid of every run has a step of its own: the moments are in units of it, so that no run
    # counts more than another
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
