"""A grid behind a Concat does not undo the clamp of a narrower grid before it."""

from __future__ import annotations

import pytest

from edgeq.numerics.grid import grid_for_range
from edgeq.planning.clamps import separate_zero_points
from edgeq.planning.placement import place
from edgeq.planning.same_scale import same_scale_groups
from edgeq.schema.grids import GridPlan, grid_plan
from tests.graph_text import eager, net, weights

BODY = """[p] p = Conv(x, w) [ra] a = Clip(p, low, high) [q] q = Conv(x, v) [rb] b = LeakyRelu(q)
          [cat] c = Concat<axis = 1>(a, b) [last] y = Conv(c, u)"""
CONSTANTS = {"w": weights(8, 8, 1, 1), "v": weights(8, 8, 1, 1, seed=1), "u": weights(8, 16, 1, 1), "low": 0.0, "high": 6.0}


def separated(**ranges: tuple[float, float]) -> tuple[dict[str, GridPlan], dict[str, GridPlan]]:
    """The grids of some values, uint8 over these ranges, before and after."""
    model, target = net(BODY, constants=CONSTANTS), eager()
    groups = same_scale_groups(model, place(model, target), target)
    assert groups.nodes["cat"].runs == "int8"
    before = {name: grid_plan(grid_for_range(*ends, "uint8"), "minmax", "as observed") for name, ends in ranges.items()}
    return before, separate_zero_points(model, groups, before)


def test_the_output_of_a_concat_goes_a_step_lower_than_a_clamp_of_its_zero_point() -> None:
    """Layer -> [0, 6] -> Concat of [0, 20] with the same zero point would let 7 through."""
    before, after = separated(a=(0.0, 6.0), c=(0.0, 20.0))
    assert (before["a"].zero_point, before["c"].zero_point, after["c"].zero_point) == (0, 0, 1)
    assert after["c"].scale == pytest.approx(before["c"].scale, rel=0.01)
    assert after["c"].reason == "as observed; one step lower, so that no clamp before it is lost"
    assert after["a"] == before["a"]


@pytest.mark.parametrize("clamped", [(0.0, 20.0), (0.0, 25.0), (-1.0, 6.0)])
def test_a_clamp_that_is_no_narrower_or_ends_elsewhere_is_not_lost(clamped: tuple[float, float]) -> None:
    before, after = separated(a=clamped, c=(0.0, 20.0))
    assert after == before


def test_what_no_grid_is_known_of_stays() -> None:
    before, after = separated(a=(0.0, 6.0))
    assert after == before
