"""make_plan: grids from statistics, places and reasons, values that no grid holds."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import observe
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.open import open_dataset
from edgeq.errors import BadStatistics
from edgeq.graph.signature import input_specs
from edgeq.numerics.grid import grid_for_range
from edgeq.planning.first_plan import MadeFrom, make_plan, observed_and_gridded, values_to_observe
from edgeq.planning.ranges.choose import choose_range
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.schema.task import settings_of
from tests.changed import changed
from tests.graph_text import net, weights

CPU = load_target("cpu")
RECIPE = Recipe(rule="minmax", weight_rule="minmax")
ORIGIN = MadeFrom("model", "data", "settings")
W = {"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3, seed=1), "b": weights(8)}
CHAIN = "[c1] a = Conv(x, w, b) [relu] r = Relu(a) [pool] p = MaxPool<kernel_shape = [2, 2]>(r) [c2] y = Conv(p, v)"


def statistics_of(model: ir.Model, recipe: Recipe = RECIPE, count: int = 3) -> dict[str, TensorStats]:
    x = np.random.default_rng(5).normal(size=(count, 8, 16, 16)).astype(np.float32)
    data = open_dataset({"x": x}, input_specs(model))
    return observe(model, values_to_observe(model, CPU, recipe), data)


def planned(body: str, recipe: Recipe = RECIPE) -> tuple[Plan, dict[str, TensorStats]]:
    model = net(body, constants=W)
    statistics = statistics_of(model, recipe)
    return make_plan(model, statistics, CPU, recipe, ORIGIN), statistics


def test_only_sources_are_observed() -> None:
    """An absorbed node's input is never stored, a moved value is its source's."""
    assert values_to_observe(net(CHAIN, constants=W), CPU, RECIPE) == ("x", "r", "y")


@pytest.mark.parametrize("behind", ["MaxPool<kernel_shape = [2, 2]>", "Transpose<perm = [0, 1, 3, 2]>"])
def test_what_may_get_a_grid_is_known_before_the_data(behind: str) -> None:
    """Values that take theirs from others, too."""
    body = CHAIN.replace("MaxPool<kernel_shape = [2, 2]>", behind)
    observed, gridded = observed_and_gridded(net(body, constants=W), CPU, RECIPE)
    plan, statistics = planned(body)
    assert set(observed) == set(statistics)
    assert set(gridded) == set(plan.grids) > set(observed)


def test_grids_span_what_was_observed_and_groups_share_one() -> None:
    plan, statistics = planned(CHAIN)
    assert set(plan.grids) == {"x", "r", "p", "y"}
    x, r = plan.grids["x"].params, plan.grids["r"].params
    assert float(x.high - x.low) == pytest.approx(statistics["x"].high - statistics["x"].low, rel=1e-5)
    assert (int(r.zero_point), float(r.low)) == (0, 0.0)
    assert float(r.high) == pytest.approx(statistics["r"].high)
    assert plan.grids["r"].group == plan.grids["p"].group == "r"
    assert plan.grids["p"].params == r
    assert {name: grid.readers for name, grid in plan.grids.items()} == {"x": "integer", "r": "all", "p": "all", "y": "all"}


def test_weights_get_one_scale_a_channel_and_no_bias_is_an_activation() -> None:
    plan, _ = planned(CHAIN)
    assert set(plan.weights) == {"c1:1", "c2:1"}
    weight = plan.weights["c1:1"]
    assert (weight.axis, len(weight.scale), weight.narrow, set(weight.zero_point)) == (0, 8, True, {0})
    per_tensor, _ = planned(CHAIN, Recipe(rule="minmax", weight_rule="minmax", weights="per_tensor"))
    assert per_tensor.weights["c1:1"].axis is None


def test_constant_operands_span_their_own_values() -> None:
    model = net("[c1] a = Conv(x, w) [add] s = Add(a, k) [c2] y = Conv(s, v)", constants={**W, "k": np.float32([[[-1]], [[3]]] * 4)})
    plan = make_plan(model, statistics_of(model), CPU, RECIPE, ORIGIN)
    operand = plan.weights["add:1"].params
    assert (operand.dtype, float(operand.high - operand.low)) == ("uint8", pytest.approx(4.0))


def test_ranges_that_an_operator_guarantees_need_no_statistics() -> None:
    body = "[c1] a = Conv(x, w) [s] g = Sigmoid(a) [m] h = Mul(a, g) [c2] y = Conv(h, v)"
    model = net(body, inputs="float[1, 8, 64, 64] x", constants=W)
    wanted = values_to_observe(model, CPU, RECIPE)
    assert "g" not in wanted
    x = np.ones((2, 8, 64, 64), np.float32)
    statistics = observe(model, wanted, open_dataset({"x": x}, input_specs(model)))
    grid = make_plan(model, statistics, CPU, RECIPE, ORIGIN).grids["g"]
    assert (float(grid.params.low), float(grid.params.high)) == (0.0, pytest.approx(1.0))
    assert grid.reason == "range fixed by the operator, or by raw pixels"


def test_a_missing_value_is_an_error_that_names_it() -> None:
    model = net(CHAIN, constants=W)
    statistics = statistics_of(model)
    del statistics["r"]
    with pytest.raises(BadStatistics, match="'r'"):
        make_plan(model, statistics, CPU, RECIPE, ORIGIN)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (TensorStats(), "was not seen"),
        (TensorStats(nonfinite=4), "4 NaN or infinite values"),
        (None, "infinite values"),
    ],
)
def test_a_value_that_no_grid_holds_leaves_its_neighbours_float(damage: TensorStats | None, why: str) -> None:
    """relu no longer absorbs a, which was not observed: a is unfit too, and the run goes on."""
    model = net(CHAIN, constants=W)
    statistics = statistics_of(model)
    seen = statistics["r"]
    infinite = TensorStats(2, seen.samples, seen.sample_low, seen.sample_high, seen.exponent, seen.first, seen.counts)
    statistics["r"] = infinite if damage is None else damage
    plan = make_plan(model, statistics, CPU, RECIPE, ORIGIN)
    assert {name: node.runs for name, node in plan.nodes.items()} == dict.fromkeys(("c1", "relu", "pool", "c2"), "float")
    assert [name for name in ("c1", "relu", "pool") if why not in plan.nodes[name].reason] == []
    assert plan.weights == {}


@pytest.mark.parametrize(("last", "guess"), [("y = Sigmoid(t)", False), ("y = Softmax(t)", True)])
def test_large_values_are_called_a_mask_only_before_a_softmax(last: str, guess: bool) -> None:
    """The factor makes them, as in a network of random weights."""
    model = net(f"[c1] a = Conv(x, w) [m] s = Mul(a, far) [add] t = Add(s, a) [last] {last}", constants={**W, "far": 1e30})
    statistics = statistics_of(model)
    reason = make_plan(model, statistics, CPU, RECIPE, ORIGIN).nodes["add"].reason
    assert "too large for any grid" in reason
    assert ("mask" in reason) is guess


def test_the_same_statistics_give_the_same_plan() -> None:
    first, _ = planned(CHAIN)
    second, _ = planned(CHAIN)
    assert first.to_json() == second.to_json()


def test_settings_tell_apart_what_changes_the_observed_values() -> None:
    arm = changed(CPU, name="other")
    texts = {
        settings_of(CPU, RECIPE, {}),
        settings_of(arm, RECIPE, {}),
        settings_of(CPU, Recipe(keep_float=("Conv",)), {}),
        settings_of(CPU, RECIPE, {"x": (1, 2)}),
    }
    assert len(texts) == 4
    assert settings_of(CPU, RECIPE, {}) == settings_of(CPU, Recipe(rule="kl"), {})
    assert settings_of(CPU, RECIPE, {"a": (1,), "b": (2,)}) == settings_of(CPU, RECIPE, {"b": (2,), "a": (1,)})


def test_rules_are_asked_for_a_grid_of_all_its_codes() -> None:
    """256 of 8 bits; rule kl chooses another window for 255."""
    recipe = RECIPE.with_rule("kl")
    plan, statistics = planned(CHAIN, recipe)
    chosen = {levels: choose_range(statistics["x"], recipe, levels=levels, symmetric=False) for levels in (255, 256)}
    grids = {levels: grid_for_range(low, high, "uint8", False) for levels, (low, high) in chosen.items()}
    assert chosen[255] != chosen[256]
    assert plan.grids["x"].params == grids[256]
