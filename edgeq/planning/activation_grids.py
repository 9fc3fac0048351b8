"""Choose the grid of every quantized value from its statistics and the range rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats, pool
from edgeq.graph.read import clip_bounds, is_op, nodes, operator_of, values
from edgeq.numerics.grid import LIMITS, grid_for_range
from edgeq.planning.clamps import separate_zero_points
from edgeq.planning.embeddings import table_of
from edgeq.planning.exact.grids import exact_grids
from edgeq.planning.few_samples import REACH, REACH_OF_CODES, less_clipped, reaching_further
from edgeq.planning.fixed_grids import fixed_grids, kernel_grids
from edgeq.planning.movement_fit import pad_fill
from edgeq.planning.placement import Placement
from edgeq.planning.ranges.choose import choose_range
from edgeq.planning.ranges.mse import halved_where_better
from edgeq.planning.ranges.rule import Range
from edgeq.planning.same_scale import Groups
from edgeq.planning.shift_limits import within_shifts
from edgeq.planning.softmax_limits import SoftmaxLimits
from edgeq.planning.unknown_ranges import is_constant, range_of_constant
from edgeq.schema.grids import GridPlan, Readers, grid_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.target_facts import ActivationFacts

#: the reason of a range that ends where Softmax makes everything 0
MASKED = "what was observed, up to where Softmax makes everything 0"


@dataclass(frozen=True)
class Seen:
    """What calibration saw, and how much of it counts."""

    #: value name -> its statistics
    statistics: Mapping[str, TensorStats]
    #: where numbers are alike to the Softmax behind them
    limits: SoftmaxLimits
    #: value name -> the value
    values: Mapping[str, ir.Value]

    @classmethod
    def of(cls, model: ir.Model, statistics: Mapping[str, TensorStats]) -> Seen:
        """What calibration saw of this model."""
        return cls(statistics, SoftmaxLimits(model, statistics), {str(value.name): value for value in values(model)})

    def bounds(self, name: str) -> Range:
        """Between what numbers any sample can lie, as far as the operator that makes it says so.

        A bounded function, and an input of the model, has no room beyond what was seen.
        """
        value = self.values.get(name)
        maker = None if value is None else value.producer()
        if is_op(maker, "Relu", "Clip") and maker is not None:
            return clip_bounds(maker) or (0.0, 0.0)
        return (0.0, 0.0) if maker is None or operator_of(maker).elementwise == "one" else (-math.inf, math.inf)

    def cut(self, name: str) -> Range | None:
        """The range of a value, cut at its limits; None if it lies within them.

        The rest is taken as it is: the histogram of a mask is too coarse for a rule. A value that
        was one number throughout gets a range from elsewhere.
        """
        stats, (low, high) = self.statistics[name], self.limits.of(name)
        if is_constant(stats):
            return range_of_constant(self.values.get(name), stats.low, self.statistics, (low, high))
        return (max(stats.low, low), min(stats.high, high)) if stats.low < low or stats.high > high else None


def fixed_ranges(model: ir.Model, target: Target) -> dict[str, Range]:
    """The ranges that operators guarantee, by value."""
    fixed = {name: (float(grid.low), float(grid.high)) for name, grid in fixed_grids(model, target).items()}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is not None and kernel.fixed_range is not None and is_op(node, kernel.op):
            fixed.setdefault(str(node.outputs[0].name), kernel.fixed_range)
        table = table_of(node, target)
        if table is not None:  # any of its rows may come
            fixed.setdefault(str(node.outputs[0].name), (min(float(table.min()), 0.0), max(float(table.max()), 0.0)))
    return fixed


def activation_grids(
    model: ir.Model, placement: Placement, groups: Groups, seen: Seen, target: Target, recipe: Recipe
) -> dict[str, GridPlan]:
    """The grid of every value that has one, by its name. A group shares one grid."""
    fixed, given = fixed_ranges(model, target), fixed_grids(model, target)
    for node, _ in kernel_grids(model, target):
        if placement.nodes[str(node.name)].runs != "int8" and node.outputs[0].name in seen.statistics:  # its float kernel has no grid
            name = str(node.outputs[0].name)
            fixed, given = {k: v for k, v in fixed.items() if k != name}, {k: v for k, v in given.items() if k != name}
    facts = target.activations
    handed_out = {str(value.name) for value in model.graph.outputs}
    grids: dict[str, GridPlan] = {}
    for root, members in groups.members.items():
        sources = groups.sources.get(root, members[:1])
        rule = _rule_for(members, handed_out, recipe, facts)
        low, high, why = _range(sources, fixed, seen, rule, facts)
        if rule is not recipe:
            low, high, why = _with_margin(sources, fixed, seen, target, (low, high, why))
        low, high, why = _with_fills(members, seen, placement, (low, high, why))
        chosen = grid_for_range(low, high, facts.dtype, facts.symmetric, power_of_two=facts.power_of_two)
        params = next((given[name] for name in (*sources, *members) if name in given), chosen)
        for name in members:
            readers: Readers = "all" if name in placement.integer else "integer"
            group = root if len(members) > 1 else None
            grids[name] = grid_plan(params, rule.rule, why, readers=readers, group=group)
    grids = within_shifts(model, groups, grids, seen.limits, target, recipe.weight_bits)
    if target.integer_only and not facts.power_of_two:
        grids = exact_grids(model, groups, grids, seen.statistics, facts)
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


def _constant(names: Iterable[str], seen: Seen) -> str:
    numbers = ", ".join(f"{name} was {seen.statistics[name].low:g}" for name in names)
    return f"{numbers} in all of the data, which tells no range; this one is that of what it is joined with, or a guess"


def _with_margin(
    sources: Iterable[str], fixed: Mapping[str, Range], seen: Seen, target: Target, found: tuple[float, float, str]
) -> tuple[float, float, str]:
    """The range of an output of the model, extended to what samples not seen yet may reach."""
    low, high, why = found
    reach = REACH_OF_CODES if target.integer_only else REACH
    for name in sources:
        least, most = seen.bounds(name)
        if name not in fixed:
            further = reaching_further(seen.statistics[name], reach)
            low, high = min(low, max(further[0], least)), max(high, min(further[1], most))
    return found if (low, high) == found[:2] else (low, high, f"{why}; extended to [{low:.6g}, {high:.6g}] for samples not seen yet")


def _with_fills(members: Iterable[str], seen: Seen, placement: Placement, found: tuple[float, float, str]) -> tuple[float, float, str]:
    """The range of a group, extended to what Pads fill with that make one of its values."""
    low, high, why = found
    makers = [None if (value := seen.values.get(name)) is None else value.producer() for name in members]
    pads = [node for node in makers if node is not None and is_op(node, "Pad") and placement.nodes[str(node.name)].runs == "integer"]
    fills = [pad_fill(node) or 0.0 for node in pads]
    low, high = min(low, *fills, 0.0), max(high, *fills, 0.0)
    return found if (low, high) == found[:2] or not fills else (low, high, f"{why}; extended to [{low:.6g}, {high:.6g}] for a Pad")


def _range(
    sources: Iterable[str], fixed: Mapping[str, Range], seen: Seen, recipe: Recipe, facts: ActivationFacts
) -> tuple[float, float, str]:
    cut = {name: ends for name in sources if name not in fixed and (ends := seen.cut(name)) is not None}
    blind = [name for name in sources if name not in fixed and is_constant(seen.statistics[name])]
    known = [fixed.get(name) or cut[name] for name in sources if name in fixed or name in cut]
    observed = [seen.statistics[name] for name in sources if name not in fixed and name not in cut]
    low, high = (min((r[0] for r in known), default=0.0), max((r[1] for r in known), default=0.0))
    if not observed:
        return low, high, _constant(blind, seen) if blind else MASKED if cut else "range fixed by the operator, or by raw pixels"
    stats = pool(observed) if len(observed) > 1 else observed[0]
    levels = LIMITS[facts.dtype][1] - LIMITS[facts.dtype][0] + 1
    chosen = choose_range(stats, recipe, levels=levels, symmetric=facts.symmetric)
    if recipe.rule == "mse" and not facts.power_of_two:
        chosen = less_clipped(stats, chosen)
    if facts.power_of_two and not known and recipe.rule != "minmax":
        chosen = halved_where_better(stats, chosen, levels=levels, symmetric=facts.symmetric)
    why = f"rule {recipe.rule} kept [{chosen[0]:.6g}, {chosen[1]:.6g}] of the observed [{stats.low:.6g}, {stats.high:.6g}]"
    why += f"; {_constant(blind, seen)}" if blind else ""
    return min(low, chosen[0]), max(high, chosen[1]), why
