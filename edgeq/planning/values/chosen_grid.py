"""Choose the grid of a group of values from its statistics and the range rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from edgeq.calibration.tensor_stats import pool
from edgeq.graph.read import is_op
from edgeq.numerics.grid import LIMITS, QuantParams, grid_for_range
from edgeq.planning.few_samples import REACH, REACH_OF_CODES, less_clipped, reaching_further
from edgeq.planning.fixed_grids import fixed_grids, kernel_grids, wide_kernel_grids
from edgeq.planning.movement_fit import pad_fill
from edgeq.planning.placement import Placement
from edgeq.planning.ranges.choose import choose_range
from edgeq.planning.ranges.mse import halved_where_better
from edgeq.planning.ranges.rule import Range
from edgeq.planning.same_scale import Groups
from edgeq.planning.unknown_ranges import is_constant
from edgeq.planning.values.seen import Seen, fixed_ranges
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.target_facts import ActivationFacts

#: the reason of a range that ends where Softmax makes everything 0
MASKED = "what was observed, up to where Softmax makes everything 0"


#: how many times the range that was seen values of 16 bits get: one bit of sixteen, so that samples
#: not seen yet are not clipped, which costs more than the 6 dB of some 90
HEADROOM = 2.0


@dataclass(frozen=True)
class GridChooser:
    """What decides the grid of a group."""

    placement: Placement
    groups: Groups
    seen: Seen
    target: Target
    recipe: Recipe
    #: ranges and grids that operators guarantee, by value
    fixed: Mapping[str, Range]
    given: Mapping[str, QuantParams]
    #: the same of kernels of 16 bits
    wide: Mapping[str, QuantParams]
    #: names of the model's outputs
    handed_out: frozenset[str]

    @classmethod
    def of(cls, model: ir.Model, placement: Placement, groups: Groups, seen: Seen, target: Target, recipe: Recipe) -> GridChooser:
        fixed, given = fixed_ranges(model, target), fixed_grids(model, target)
        for node, _ in kernel_grids(model, target):
            if placement.nodes[str(node.name)].runs != "int8" and node.outputs[0].name in seen.statistics:  # its float kernel has no grid
                name = str(node.outputs[0].name)
                fixed, given = {k: v for k, v in fixed.items() if k != name}, {k: v for k, v in given.items() if k != name}
        handed_out = frozenset(str(value.name) for value in model.graph.outputs)
        return cls(placement, groups, seen, target, recipe, fixed, given, wide_kernel_grids(model, target), handed_out)

    def grid(self, root: str, bits: Literal[8, 16]) -> tuple[QuantParams, str, str]:
        """The grid of a group in so many bits, the rule that chose it, and why."""
        members, facts = self.groups.members[root], self.target.facts_of(bits)
        sources = self.groups.sources.get(root, members[:1])
        rule = _rule_for(members, self.handed_out, self.recipe, facts) if bits == 8 else self.recipe.with_rule("minmax")
        low, high, why = _range(sources, self.fixed, self.seen, rule, facts)
        if rule is not self.recipe:
            low, high, why = _with_margin(sources, self.fixed, self.seen, self.target, (low, high, why))
        if bits == 16:
            low, high, why = self._with_headroom(sources, (low, high, why))
        low, high, why = _with_fills(members, self.seen, self.placement, (low, high, why))
        chosen = grid_for_range(low, high, facts.dtype, facts.symmetric, power_of_two=facts.power_of_two)
        given = self.given if bits == 8 else self.wide
        return next((given[name] for name in (*sources, *members) if name in given), chosen), rule.rule, why

    def _with_headroom(self, sources: Iterable[str], found: tuple[float, float, str]) -> tuple[float, float, str]:
        """The range of values of 16 bits: HEADROOM times as far, but at ends that operators set."""
        low, high, why = found
        if all(name in self.fixed for name in sources):
            return found
        least, most = (min(self.seen.bounds(name)[0] for name in sources), max(self.seen.bounds(name)[1] for name in sources))
        low, high = min(low, max(low * HEADROOM, least)), max(high, min(high * HEADROOM, most))
        return low, high, f"{why}; {HEADROOM:g} times as far, to [{low:.6g}, {high:.6g}], in 16 bits"


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
