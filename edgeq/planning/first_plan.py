"""Make the first plan from statistics, target and recipe, without running or changing a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Literal

import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.errors import BadStatistics
from edgeq.graph.patterns.softmax_readers import reaches_softmax
from edgeq.graph.read import nodes, values
from edgeq.planning.activation_grids import activation_grids, border_grids
from edgeq.planning.cut.placement_cut import Cause
from edgeq.planning.embeddings import embedding_grid, embedding_place, embeddings
from edgeq.planning.fed_back import fed_back
from edgeq.planning.fixed_grids import kernel_grids, too_coarse
from edgeq.planning.movement_fit import LARGEST, blunt_clips
from edgeq.planning.parts import parts_apart
from edgeq.planning.placement import NodePlace, Placement, place
from edgeq.planning.recurrent import recurrent_grids
from edgeq.planning.same_scale import Groups, same_scale_groups
from edgeq.planning.softmax_limits import limiting_values
from edgeq.planning.stored_weights import stored_weights
from edgeq.planning.unknown_ranges import constant_values, unknown_ranges
from edgeq.planning.values.seen import Seen, fixed_ranges
from edgeq.planning.values.widths import Read, Widths, widths
from edgeq.planning.weights import constant_grids
from edgeq.runtimes.fusion import broken_by_integers, noted_fusions
from edgeq.schema.hold_out import HoldOut
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.plan_parts.shared import SharedGrid
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import Rule
from edgeq.schema.target import Target
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
    #: which samples of the data were left out
    held_out: HoldOut = "none"


def values_to_observe(model: ir.Model, target: Target, recipe: Recipe) -> tuple[str, ...]:
    """The values whose statistics the plan needs, in graph order."""
    return observed_and_gridded(model, target, recipe)[0]


def observed_and_gridded(model: ir.Model, target: Target, recipe: Recipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values whose statistics the plan needs, and those that have a grid unless data object."""
    placement, groups = _placed(model, target, recipe)
    return _to_observe(model, target, placement, groups), tuple(name for names in groups.members.values() for name in names)


def _placed(
    model: ir.Model, target: Target, recipe: Recipe, unfit: Mapping[str, Cause] | None = None,
    coarse: Mapping[str, Cause] | None = None, blunt: Set[str] = frozenset(),
) -> tuple[Placement, Groups]:  # fmt: skip
    """The places of all nodes and the groups of values, from the graph and what data object to."""
    placement = place(model, target, recipe.keep_float, unfit, coarse, blunt, recipe.placement)
    return placement, same_scale_groups(model, placement, target, fed_back(model, recipe.tie))


def _to_observe(model: ir.Model, target: Target, placement: Placement, groups: Groups) -> tuple[str, ...]:
    fixed = set(fixed_ranges(model, target))
    if not target.integer_only:  # a kernel's only grid is used where it serves
        fixed -= {str(node.outputs[0].name) for node, _ in kernel_grids(model, target)}
    wanted = (*(name for names in groups.sources.values() for name in names), *limiting_values(model, placement.quantized))
    return tuple(dict.fromkeys(name for name in wanted if name not in fixed))


def make_plan(
    model: ir.Model, statistics: Mapping[str, TensorStats], target: Target, recipe: Recipe, origin: MadeFrom, rule: Rule | None = None
) -> Plan:
    """A grid for every quantized value and weight, and a place and a reason for every node.

    rule: for the ranges of activations; None: the recipe's. Raises BadStatistics if a value that
    needs a grid was not observed.
    """
    first = _placed(model, target, recipe)
    _check_observed(_to_observe(model, target, *first), statistics)
    placement, groups, shared = _fit_placement(model, statistics, target, recipe, first)
    seen = Seen.of(model, statistics)
    ranged = recipe if rule is None else recipe.with_rule(rule)
    wide = widths(model, groups, target, recipe)
    grids = activation_grids(model, placement, groups, seen, target, ranged, wide)
    others = border_grids(model, placement, groups, seen, target, ranged, wide, grids)
    read = Read(grids, others, wide.nodes)
    weights: dict[str, WeightPlan] = dict(constant_grids(model, groups, read, seen.limits, target, recipe))
    tables = tuple(embeddings(model, target, groups.nodes))
    weights.update({weight_key(node.name, 0): embedding_grid(node, target, grids) for node in tables})
    groups = replace(groups, nodes=_with_tables(groups.nodes, tables))
    places = {str(node.name): _node_plan(node, groups, wide) for node in nodes(model) if node.name in groups.nodes}
    weights.update(recurrent_grids(model, places, target, recipe))
    return Plan(
        model=origin.model, data=origin.data, held_out=origin.held_out, settings=origin.settings, target=target.name, recipe=recipe.hash,
        opset=recipe.opset, nodes=places, grids=grids, borders=others, weights=weights, shared=dict(shared),
        split_outputs=recipe.split_outputs,
        constants=constant_values(statistics, fixed_ranges(model, target)),
        stored=stored_weights(model, groups.nodes, weights, target),
        together=_together(model, places),
    )  # fmt: skip


def foreseen(model: ir.Model, target: Target, recipe: Recipe) -> Placement:
    """The places that `make_plan` gives where no numbers object: FROM_DATA, what it entails."""
    placement, groups = _placed(model, target, recipe)
    return replace(placement, nodes=_with_tables(groups.nodes, embeddings(model, target, groups.nodes)))


def _with_tables(places: Mapping[str, NodePlace], tables: Iterable[ir.Node]) -> dict[str, NodePlace]:
    return {**places, **{str(node.name): embedding_place(node) for node in tables}}


def _together(model: ir.Model, places: Mapping[str, NodePlan]) -> tuple[tuple[str, ...], ...]:
    here = {str(node.name): node for node in nodes(model)}
    stuck = {name for name, one in places.items() if one.because == "obstacle"}
    return tuple(fusion.nodes for fusion in broken_by_integers(noted_fusions(model), here, stuck))


def _check_observed(wanted: Iterable[str], statistics: Mapping[str, TensorStats]) -> None:
    missing = next((name for name in wanted if name not in statistics), None)
    if missing is not None:
        fix = "Calibrate again with this target and recipe."
        raise BadStatistics(f"The statistics have nothing on value {missing!r}.", missing, fix)


def _fit_placement(
    model: ir.Model, statistics: Mapping[str, TensorStats], target: Target, recipe: Recipe, first: tuple[Placement, Groups]
) -> tuple[Placement, Groups, Mapping[str, SharedGrid]]:
    """Place nodes around the values that no grid can hold, and those that join what is far apart.

    first: the places and groups where there are none.

    A node that had to go float because of such a value no longer absorbs or moves its neighbour's
    value. That value was not observed, so it is unfit as well, for the same reason: repeat until no
    new one turns up.
    """
    fixed = fixed_ranges(model, target)
    unfit = unknown_ranges(model, statistics, target, fixed)
    named = {str(value.name): value for value in values(model)}
    unfit.update({name: why for name, stats in statistics.items() if (why := _unfit(stats, named.get(name))) is not None})
    blunt = blunt_clips(model, {name: stats.high for name, stats in statistics.items()}, target)
    coarse = too_coarse(model, statistics, target)
    while True:
        placement, groups = _placed(model, target, recipe, unfit, coarse, blunt) if unfit or coarse or blunt else first
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
        unfit.update(
            dict.fromkeys(
                unseen - unfit.keys(),
                Cause("unfit", "has a value whose range was not observed: the node that would have shown it stays float"),
            )
        )


def _node_plan(node: ir.Node, groups: Groups, wide: Widths) -> NodePlan:
    place = groups.nodes[str(node.name)]
    inputs = tuple("" if value is None else str(value.name) for value in node.inputs)
    outputs = tuple(str(value.name or "") for value in node.outputs)
    bits: Literal[8, 16] = 16 if node.name in wide.nodes else 8
    return NodePlan(op_type=place.op_type, runs=place.runs, because=place.because, reason=place.reason, slower=place.slower,
                    inputs=inputs, outputs=outputs, bits=bits)  # fmt: skip


def _unfit(stats: TensorStats, value: ir.Value | None) -> Cause | None:
    if stats.nonfinite:
        return Cause("unfit", f"holds {stats.nonfinite} NaN or infinite values with this data")
    if stats.count == 0:
        unseen = "a branch never taken, a loop whose values cannot be stacked, or a value without elements"
        return Cause("unfit", f"was not seen with this data ({unseen}): its range is unknown")
    if max(abs(stats.low), abs(stats.high)) > LARGEST:
        guess = " (a mask?)" if value is not None and reaches_softmax(value) else ""
        return Cause("unfit", f"holds values too large for any grid with this data{guess}")
    return None
