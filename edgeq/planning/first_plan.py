"""Make the first plan from statistics, target and recipe, without running or changing a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats, pool
from edgeq.errors import BadStatistics
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.grid import LIMITS, grid_for_range
from edgeq.planning.clamps import separate_zero_points
from edgeq.planning.embeddings import embedding_grid, embedding_place, embeddings
from edgeq.planning.exact_grids import exact_grids
from edgeq.planning.fixed_grids import fixed_grids
from edgeq.planning.kernel_fit import LARGEST
from edgeq.planning.parts import parts_apart
from edgeq.planning.placement import Placement, place
from edgeq.planning.placement_cut import Cause
from edgeq.planning.ranges.choose import choose_range
from edgeq.planning.ranges.mse import halved_where_better
from edgeq.planning.same_scale import Groups, same_scale_groups
from edgeq.planning.shift_limits import within_shifts
from edgeq.planning.weights import constant_grids
from edgeq.schema.grids import GridPlan, Readers, grid_plan
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.shared import SharedGrid
from edgeq.schema.target import Target
from edgeq.schema.target_facts import ActivationFacts
from edgeq.schema.weights import WeightPlan, weight_key


@dataclass(frozen=True)
class MadeFrom:
    """What the plan was made from, as sha256 in hex."""

    #: the file of the float model
    model: str
    #: the samples that the statistics are of
    data: str
    #: what decides which values are observed (Task.settings)
    settings: str


def values_to_observe(model: ir.Model, target: Target, recipe: Recipe) -> tuple[str, ...]:
    """The values whose statistics the plan needs, in graph order."""
    groups = same_scale_groups(model, place(model, target, recipe.keep_float), target)
    fixed = _fixed_ranges(model, target)
    return tuple(name for names in groups.sources.values() for name in names if name not in fixed)


def make_plan(model: ir.Model, statistics: Mapping[str, TensorStats], target: Target, recipe: Recipe, origin: MadeFrom) -> Plan:
    """A grid for every quantized value and weight, and a place and a reason for every node.

    Raises BadStatistics if a value that needs a grid was not observed.
    """
    _check_observed(values_to_observe(model, target, recipe), statistics)
    placement, groups, shared = _fit_placement(model, statistics, target, recipe)
    grids = _activation_grids(model, placement, groups, statistics, target, recipe)
    weights: dict[str, WeightPlan] = dict(constant_grids(model, groups, grids, target, recipe))
    tables = tuple(embeddings(model, target, groups.nodes))
    weights.update({weight_key(node.name, 0): embedding_grid(node, target) for node in tables})
    groups = replace(groups, nodes={**groups.nodes, **{str(node.name): embedding_place(node) for node in tables}})
    places = {str(node.name): _node_plan(node, groups) for node in nodes(model) if node.name in groups.nodes}
    return Plan(
        model=origin.model, data=origin.data, settings=origin.settings, target=target.name, recipe=recipe.hash,
        opset=recipe.opset, nodes=places, grids=grids, weights=weights, shared=dict(shared),
    )  # fmt: skip


def _check_observed(wanted: Iterable[str], statistics: Mapping[str, TensorStats]) -> None:
    missing = next((name for name in wanted if name not in statistics), None)
    if missing is not None:
        fix = "Calibrate again with this target and recipe."
        raise BadStatistics(f"The statistics have nothing on value {missing!r}.", missing, fix)


def _fit_placement(
    model: ir.Model, statistics: Mapping[str, TensorStats], target: Target, recipe: Recipe
) -> tuple[Placement, Groups, Mapping[str, SharedGrid]]:
    """Place nodes around the values that no grid can hold, and those that join what is far apart.

    A node that had to go float because of such a value no longer absorbs or moves its neighbour's
    value. That value was not observed, so it is unfit as well, for the same reason: repeat until no
    new one turns up.
    """
    fixed = _fixed_ranges(model, target)
    unfit = {name: why for name, stats in statistics.items() if (why := _unfit(stats)) is not None}
    while True:
        placement = place(model, target, recipe.keep_float, unfit)
        groups = same_scale_groups(model, placement, target)
        needed = (name for names in groups.sources.values() for name in names if name not in fixed)
        unseen = {name for name in needed if name not in statistics}
        if not unseen:
            apart = parts_apart(model, groups.nodes, statistics, fixed, target)
            if not apart.unfit.keys() - unfit.keys():
                return placement, groups, apart.shared
            unfit = {**apart.unfit, **unfit}
            continue
        for node in nodes(model):
            for value in node.inputs:
                if value is not None and value.name in unseen and placement.nodes[str(node.name)].runs == "float":
                    here = placement.nodes[str(node.name)]
                    unfit.setdefault(value.name, Cause(here.because, here.reason))
        unfit.update(dict.fromkeys(unseen - unfit.keys(), Cause("unfit", "was not observed")))


def _node_plan(node: ir.Node, groups: Groups) -> NodePlan:
    place = groups.nodes[str(node.name)]
    inputs = tuple("" if value is None else str(value.name) for value in node.inputs)
    outputs = tuple(str(value.name or "") for value in node.outputs)
    return NodePlan(op_type=place.op_type, runs=place.runs, because=place.because, reason=place.reason, inputs=inputs, outputs=outputs)


def _unfit(stats: TensorStats) -> Cause | None:
    if stats.count == 0:
        why = "was not seen with this data (a branch never taken, or a loop whose values cannot be stacked): its range is unknown"
        return Cause("unfit", why)
    if stats.nonfinite:
        return Cause("unfit", f"holds {stats.nonfinite} infinite values with this data")
    if max(abs(stats.low), abs(stats.high)) > LARGEST:
        return Cause("unfit", "holds values too large for any grid with this data (a mask?)")
    return None


def _fixed_ranges(model: ir.Model, target: Target) -> dict[str, tuple[float, float]]:
    """The ranges that operators guarantee, by value."""
    fixed = {name: (float(grid.low), float(grid.high)) for name, grid in fixed_grids(model, target).items()}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is not None and kernel.fixed_range is not None and is_op(node, kernel.op):
            fixed.setdefault(str(node.outputs[0].name), kernel.fixed_range)
    return fixed


def _activation_grids(
    model: ir.Model, placement: Placement, groups: Groups, statistics: Mapping[str, TensorStats], target: Target, recipe: Recipe
) -> dict[str, GridPlan]:
    fixed, given = _fixed_ranges(model, target), fixed_grids(model, target)
    facts = target.activations
    handed_out = {str(value.name) for value in model.graph.outputs}
    grids: dict[str, GridPlan] = {}
    for root, members in groups.members.items():
        sources = groups.sources.get(root, members[:1])
        rule = _rule_for(members, handed_out, recipe, facts)
        low, high, why = _range(sources, fixed, statistics, rule, facts)
        chosen = grid_for_range(low, high, facts.dtype, facts.symmetric, power_of_two=facts.power_of_two)
        params = next((given[name] for name in (*sources, *members) if name in given), chosen)
        for name in members:
            readers: Readers = "all" if name in placement.integer else "integer"
            group = root if len(members) > 1 else None
            grids[name] = grid_plan(params, rule.rule, why, readers=readers, group=group)
    grids = within_shifts(model, groups, grids, target, recipe.weight_bits)
    if target.integer_only and not facts.power_of_two:
        grids = exact_grids(model, groups, grids, statistics, facts)
    return grids if target.keeps_clamps else separate_zero_points(model, groups, grids)


def _rule_for(members: Iterable[str], handed_out: Set[str], recipe: Recipe, facts: ActivationFacts) -> Recipe:
    """The recipe, with rule minmax instead of mse for model outputs.

    Model outputs are not clipped: rule mse could clip the largest score, and an arg-max among
    clipped values is a tie. Targets with power-of-two scales keep mse, since avoiding the clip
    would double the step.
    """
    if recipe.rule != "mse" or facts.power_of_two or handed_out.isdisjoint(members):
        return recipe
    return recipe.with_rule("minmax")


def _range(
    sources: Iterable[str],
    fixed: Mapping[str, tuple[float, float]],
    statistics: Mapping[str, TensorStats],
    recipe: Recipe,
    facts: ActivationFacts,
) -> tuple[float, float, str]:
    known = [fixed[name] for name in sources if name in fixed]
    observed = [statistics[name] for name in sources if name not in fixed]
    low, high = (min((r[0] for r in known), default=0.0), max((r[1] for r in known), default=0.0))
    if not observed:
        return low, high, "range fixed by the operator, or by raw pixels"
    stats = pool(observed) if len(observed) > 1 else observed[0]
    levels = LIMITS[facts.dtype][1] - LIMITS[facts.dtype][0]
    chosen = choose_range(stats, recipe, levels=levels, symmetric=facts.symmetric)
    if facts.power_of_two and not known and recipe.rule != "minmax":
        chosen = halved_where_better(stats, chosen, levels=levels, symmetric=facts.symmetric)
    why = f"rule {recipe.rule} kept [{chosen[0]:.6g}, {chosen[1]:.6g}] of the observed [{stats.low:.6g}, {stats.high:.6g}]"
    return min(low, chosen[0]), max(high, chosen[1]), why
