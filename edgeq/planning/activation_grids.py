"""Choose the grid of every quantized value from its statistics and the range rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats, pool
from edgeq.graph.read import is_op, nodes
from edgeq.numerics.grid import LIMITS, grid_for_range
from edgeq.planning.clamps import separate_zero_points
from edgeq.planning.exact_grids import exact_grids
from edgeq.planning.fixed_grids import fixed_grids
from edgeq.planning.placement import Placement
from edgeq.planning.ranges.choose import choose_range
from edgeq.planning.ranges.mse import halved_where_better
from edgeq.planning.ranges.rule import Range
from edgeq.planning.same_scale import Groups
from edgeq.planning.shift_limits import within_shifts
from edgeq.planning.softmax_limits import SoftmaxLimits
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

    def cut(self, name: str) -> Range | None:
        """The range of a value, cut at its limits; None if it lies within them.

        The rest is taken as it is: the histogram of a mask is too coarse for a rule.
        """
        stats, (low, high) = self.statistics[name], self.limits.of(name)
        return (max(stats.low, low), min(stats.high, high)) if stats.low < low or stats.high > high else None


def fixed_ranges(model: ir.Model, target: Target) -> dict[str, Range]:
    """The ranges that operators guarantee, by value."""
    fixed = {name: (float(grid.low), float(grid.high)) for name, grid in fixed_grids(model, target).items()}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is not None and kernel.fixed_range is not None and is_op(node, kernel.op):
            fixed.setdefault(str(node.outputs[0].name), kernel.fixed_range)
    return fixed


def activation_grids(
    model: ir.Model, placement: Placement, groups: Groups, seen: Seen, target: Target, recipe: Recipe
) -> dict[str, GridPlan]:
    """The grid of every value that has one, by its name. A group shares one grid."""
    fixed, given = fixed_ranges(model, target), fixed_grids(model, target)
    facts = target.activations
    handed_out = {str(value.name) for value in model.graph.outputs}
    grids: dict[str, GridPlan] = {}
    for root, members in groups.members.items():
        sources = groups.sources.get(root, members[:1])
        rule = _rule_for(members, handed_out, recipe, facts)
        low, high, why = _range(sources, fixed, seen, rule, facts)
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


def _range(
    sources: Iterable[str], fixed: Mapping[str, Range], seen: Seen, recipe: Recipe, facts: ActivationFacts
) -> tuple[float, float, str]:
    cut = {name: ends for name in sources if name not in fixed and (ends := seen.cut(name)) is not None}
    known = [fixed.get(name) or cut[name] for name in sources if name in fixed or name in cut]
    observed = [seen.statistics[name] for name in sources if name not in fixed and name not in cut]
    low, high = (min((r[0] for r in known), default=0.0), max((r[1] for r in known), default=0.0))
    if not observed:
        return low, high, MASKED if cut else "range fixed by the operator, or by raw pixels"
    stats = pool(observed) if len(observed) > 1 else observed[0]
    levels = LIMITS[facts.dtype][1] - LIMITS[facts.dtype][0]
    chosen = choose_range(stats, recipe, levels=levels, symmetric=facts.symmetric)
    if facts.power_of_two and not known and recipe.rule != "minmax":
        chosen = halved_where_better(stats, chosen, levels=levels, symmetric=facts.symmetric)
    why = f"rule {recipe.rule} kept [{chosen[0]:.6g}, {chosen[1]:.6g}] of the observed [{stats.low:.6g}, {stats.high:.6g}]"
    return min(low, chosen[0]), max(high, chosen[1]), why
