"""Choose the input grids of MatMuls between float nodes (transformers) by the products' error.

Candidates are the ranges of all rules, a grid that is measured at every run if the target has one,
and both with the scale of outlier channels moved into the weights. The cheapest of those with
nearly the least error is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.calibration.channel_stats import Ends, channel_stats
from edgeq.calibration.grid_errors import GridOption, measure_errors
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.dataset import Dataset
from edgeq.graph.find_layer import layer_of
from edgeq.graph.macs import elements
from edgeq.graph.read import constant, is_op, nodes, only_consumer
from edgeq.numerics.arrays import F64
from edgeq.passes.quantize.migrate_scales import folds, migrated, migrated_name
from edgeq.planning.weights import weight_grid
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.refine.input_grids.candidates import candidates_of
from edgeq.refine.input_grids.sites import InputSite, input_sites
from edgeq.schema.grids import Readers, grid_plan
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.target import Target
from edgeq.schema.weights import weight_key

#: a candidate other than the rule's range must have at most this share of its error (1 dB less),
#: because calibration data are a sample
WORTH = 0.8
#: the cheapest is chosen among candidates whose error is at most this multiple of the least one
NEAR = 1.25


def choose_inputs(
    draft: Draft, statistics: Mapping[str, TensorStats], known: Mapping[str, Ends], data: Dataset, progress: Progress
) -> Plan:
    """The draft's plan with input grids of MatMuls chosen by the error of the products.

    known: channels on the last axis of values, as far as they were measured before. The same plan
    if there is nothing to choose.
    """
    sites = input_sites(draft, statistics)
    if not sites:
        return draft.plan
    unknown = {site.name: -1 for site in sites if site.name not in known}
    ends = {**known, **channel_stats(draft.model, unknown, data, progress, squares=False).ends}
    asked = [candidates_of(site, draft, ends.get(site.name)) for site in sites]
    errors = measure_errors(draft.model, asked, data, draft.task.recipe.seed, progress)
    result = draft.plan
    for site, one in zip(sites, asked, strict=True):
        best = _best(errors[one.name], _costs(site, one.candidates, draft.task.target))
        if best:
            result = _apply(result, site, one.candidates, best, errors[one.name])
    return _with_weights(draft.with_plan(result))


def _costs(site: InputSite, candidates: tuple[GridOption, ...], target: Target) -> list[float]:
    """Nanoseconds that each candidate takes besides the products themselves."""
    boundary, add, mul = target.boundary, target.kernel_of("Add"), target.kernel_of("Mul")
    if add is None or mul is None:
        return [0.0] * len(candidates)
    value = site.matmuls[0].inputs[0]
    assert value is not None
    size = elements(value)
    biases = sum(elements(node.outputs[0]) * add.float_ns + boundary.call_ns for node in site.matmuls if _has_bias(node))
    divide = 0.0 if folds(value) else size * mul.float_ns + boundary.call_ns
    measured = 0.0 if target.dynamic is None else size * target.dynamic.quantize_ns
    fixed = size * boundary.quantize_ns + biases
    return [(measured if one.grid is None else fixed) + (0.0 if one.factors is None else divide) for one in candidates]


def _has_bias(node: ir.Node) -> bool:
    add = only_consumer(node.outputs[0])
    return add is not None and is_op(add, "Add") and any(constant(value) is not None for value in add.inputs)


def _best(errors: F64, costs: list[float]) -> int:
    """Index of the chosen candidate; 0 is the recipe's own."""
    if not np.isfinite(errors).all():
        return 0
    near = [index for index, error in enumerate(errors.tolist()) if error <= float(errors.min()) * NEAR]
    best = min(near, key=lambda index: (costs[index], float(errors[index]), index))
    return best if costs[best] < costs[0] or errors[best] < WORTH * errors[0] else 0


def _apply(plan: Plan, site: InputSite, candidates: tuple[GridOption, ...], best: int, errors: F64) -> Plan:
    one, own = candidates[best], plan.grids[site.name]
    gain = 10 * np.log10(errors[0] / max(errors[best], 1e-30))
    why = f"{one.name}: {gain:.1f} dB less error at the outputs of its readers than rule {own.rule}"
    grids, places, factors = dict(plan.grids), dict(plan.nodes), dict(plan.factors)
    name = site.name
    if one.factors is not None:
        del grids[name]
        factors[name] = tuple(float(s) for s in one.factors)
        name = migrated_name(name)
    grids.pop(name, None)
    if one.grid is not None:
        readers: Readers = own.readers if one.factors is None else "all"
        grids[name] = grid_plan(one.grid, one.name.split(",")[0], why, readers=readers)
    for node in site.matmuls:
        places[str(node.name)] = _place(places[str(node.name)], one, name, why)
    return plan.with_grids(grids).with_nodes(places).with_factors(factors)


def _place(place: NodePlan, one: GridOption, source: str, why: str) -> NodePlan:
    moved = place.with_inputs((source, *place.inputs[1:]))
    return moved if one.grid is not None else moved.placed("dynamic", "measured", f"integer kernel; the grid of its input is {why}")


def _with_weights(draft: Draft) -> Plan:
    """The draft's plan with new grids for the weights that scales were moved into."""
    plan, target, recipe = draft.plan, draft.task.target, draft.task.recipe
    if not plan.factors:
        return plan
    moved = migrated(draft.model, plan.factors)
    sources = {migrated_name(name) for name in plan.factors}
    weights = dict(plan.weights)
    for node in nodes(moved):
        kernel, source = target.kernel_of(node.op_type), node.inputs[0] if node.inputs else None
        if kernel is None or source is None or source.name not in sources or weight_key(node.name, 1) not in weights:
            continue
        layer = layer_of(node)
        assert layer is not None
        weights[weight_key(node.name, 1)] = weight_grid(node, kernel, layer, plan.grids_read(str(node.name)), target, recipe)
    return plan.with_weights(weights)
