"""Choose the grid of every quantized value from its statistics and the range rule."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeq.planning.clamps import separate_zero_points
from edgeq.planning.exact.grids import exact_grids
from edgeq.planning.placement import Placement
from edgeq.planning.same_scale import Groups
from edgeq.planning.shift_limits import within_shifts
from edgeq.planning.values.chosen_grid import GridChooser
from edgeq.planning.values.seen import Seen
from edgeq.planning.values.widths import Widths, borders
from edgeq.schema.grids import GridPlan, Readers, grid_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target


def activation_grids(
    model: ir.Model, placement: Placement, groups: Groups, seen: Seen, target: Target, recipe: Recipe, wide: Widths
) -> dict[str, GridPlan]:
    """The grid of every value that has one, by its name. A group shares one grid."""
    chooser = GridChooser.of(model, placement, groups, seen, target, recipe)
    grids: dict[str, GridPlan] = {}
    for root, members in groups.members.items():
        params, rule, why = chooser.grid(root, 16 if root in wide.groups else 8)
        for name in members:
            readers: Readers = "all" if name in placement.integer else "integer"
            group = root if len(members) > 1 else None
            grids[name] = grid_plan(params, rule, why, readers=readers, group=group)
    return settled(model, groups, grids, seen, target, recipe)


def settled(model: ir.Model, groups: Groups, grids: dict[str, GridPlan], seen: Seen, target: Target, recipe: Recipe) -> dict[str, GridPlan]:
    """The grids as the target takes them beside each other: shifts, factors and clamps."""
    grids = within_shifts(model, groups, grids, seen.limits, target, recipe.weight_bits)
    if target.integer_only and not target.activations.power_of_two:
        grids = exact_grids(model, groups, grids, seen.statistics, target.activations)
    return grids if target.keeps_clamps else separate_zero_points(model, groups, grids)


def border_grids(
    model: ir.Model, placement: Placement, groups: Groups, seen: Seen, target: Target, recipe: Recipe, wide: Widths,
    grids: Mapping[str, GridPlan],
) -> dict[str, GridPlan]:  # fmt: skip
    """The grids on which nodes read values of the other width (edgeq/planning/values/widths.py)."""
    chooser = GridChooser.of(model, placement, groups, seen, target, recipe)
    owner = {name: root for root, members in groups.members.items() for name in members}

    def narrow(name: str) -> GridPlan:
        params, rule, why = chooser.grid(owner[name], 8)
        return grid_plan(params, rule, why, readers=grids[name].readers)

    return borders(model, groups, wide, grids, target, narrow)
