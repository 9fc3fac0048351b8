"""Weight scales: spanning or least squares, biases that int32 holds with room for the sums, rows
without weights.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.graph.layer import Layer
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import PerChannel, PerTensor
from edgeq.numerics.grid import quantize as codes_on
from edgeq.numerics.rounding.scales import scales_for
from edgeq.numerics.saturation import neighbours, worst_pairs
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.planning.weight_grids import (
    LEAST_BIAS_SCALE,
    BiasSide,
    choose_scales,
    code_range,
    codes_of,
    constant_grid,
    symmetric_grid,
    unlimited,
)
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.schema.target_facts import ActivationFacts
from tests.changed import changed
from tests.graph_text import net, weights

FACTS = load_target("cpu").weights
ROW = unlimited(FACTS)
ONES = np.ones((1, 6))


def rows(*numbers: list[float]) -> F32:
    return np.array([numbers], np.float32)


WEIGHTS = rows([1, -2, 0.5, 0.25, 3, 0], [0.1, 0.1, 0.1, 0, 0, -0.2])


def test_minmax_spans_the_row_and_leaves_room_for_neighbours() -> None:
    assert choose_scales(WEIGHTS, ONES, ROW, "minmax", False, ()).tolist() == [pytest.approx([3 / 127, 0.2 / 127])]
    pairs = codes_of(FACTS, Layer("", "", 1, (6,), 2), 8)
    alike = rows([1, 1, 0, 0, 0, 0], [1, -1, 0, 0, 0, 0])
    scale = choose_scales(alike, ONES, pairs, "minmax", False, ())
    assert scale.tolist() == [pytest.approx([2 / 127, 1 / 127])]
    assert worst_pairs(np.rint(alike / scale[..., None]), pairs.pairs).max() <= 128


def test_mse_is_the_search_of_rounding() -> None:
    heavy = np.random.default_rng(1).standard_t(2, size=(1, 4, 64)).astype(np.float32)
    importance = np.ones((1, 64))
    found = choose_scales(heavy, importance, ROW, "mse", False, ())
    assert np.array_equal(found, scales_for(heavy, importance, ROW, False))


@pytest.mark.parametrize("rule", ["minmax", "mse"])
def test_one_scale_a_tensor_is_the_widest_or_the_best_for_all(rule: str) -> None:
    found = choose_scales(WEIGHTS, ONES, ROW, "minmax" if rule == "minmax" else "mse", True, ())
    assert len(set(found.reshape(-1).tolist())) == 1
    assert 0.6 * 3 / 127 <= found[0, 0] <= 3 / 127 * (1 + 1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_biases_stay_in_the_lower_half_of_int32(shared: bool) -> None:
    side = BiasSide(1e-3, np.array([5e3, -2.0], np.float32))
    tiny = WEIGHTS * np.float32(1e-6)
    scale = choose_scales(tiny, ONES, ROW, "minmax", shared, [side])
    assert side.bias is not None
    codes = np.abs(side.bias.astype(np.float64) / (side.scale * scale.astype(np.float64)))
    assert codes.max() <= 2**30
    assert codes.max() > 2**29  # and no coarser than need be


def test_the_guard_holds_for_every_layer_that_shares_the_weight() -> None:
    sides = [BiasSide(1e-3, None), BiasSide(1e-3, np.array([1.0, 1.0], np.float32)), BiasSide(1e-6, np.array([0.0, 100.0], np.float32))]
    scale = choose_scales(WEIGHTS * np.float32(1e-7), ONES, ROW, "minmax", False, sides)
    for side in sides[1:]:
        assert side.bias is not None
        assert np.all(np.abs(side.bias / (side.scale * scale.astype(np.float64))) <= 2**30)


def test_one_bias_number_stands_for_all_channels() -> None:
    side = BiasSide(1e-3, np.array([5e3], np.float32))
    scale = choose_scales(WEIGHTS * np.float32(1e-6), ONES, ROW, "minmax", False, [side])
    assert np.all(5e3 / (1e-3 * scale.astype(np.float64)) <= 2**30)


@pytest.mark.parametrize("shared", [False, True])
def test_a_row_without_weights_stores_its_bias_finely(shared: bool) -> None:
    side = BiasSide(1e-2, np.array([0.5, 0.5], np.float32))
    scale = choose_scales(np.zeros_like(WEIGHTS), ONES, ROW, "mse", shared, [side])
    steps = 0.5 / (side.scale * scale.astype(np.float64))
    assert np.all((steps > 2**23) & (steps <= 2**30))


def test_the_scale_of_a_bias_never_vanishes() -> None:
    """x * w below float32's smallest number would be 0, and the bias 0 / 0."""
    side = BiasSide(2.0**-100, np.zeros(2, np.float32))
    scale = choose_scales(WEIGHTS * np.float32(1e-20), ONES, ROW, "minmax", False, [side])
    assert np.all(np.float32(side.scale) * scale >= LEAST_BIAS_SCALE)


def test_depthwise_kernels_have_no_neighbours_unless_they_multiply_channels() -> None:
    assert codes_of(FACTS, Layer("", "", 8, (1, 3, 3), 1), 8).pairs == ()
    assert len(codes_of(FACTS, Layer("", "", 8, (1, 3, 3), 2), 8).pairs) == len(neighbours((1, 3, 3)))
    assert len(codes_of(FACTS, Layer("", "", 2, (4, 3, 3), 1), 8).pairs) == 2


def test_symmetric_grids() -> None:
    scale = np.array([[0.5, 0.25], [1.0, 2.0]], np.float32)
    by_channel = symmetric_grid(scale, 1, FACTS)
    assert (by_channel.granularity, by_channel.scale.tolist(), by_channel.qmin) == (PerChannel(1), [0.5, 0.25, 1.0, 2.0], -127)
    assert set(by_channel.zero_point.tolist()) == {0}
    whole = symmetric_grid(np.full((2, 2), 0.5, np.float32), None, FACTS)
    assert (whole.granularity, whole.scale.shape) == (PerTensor(), ())


@pytest.mark.parametrize("numbers", [[1.0, 3.0], [-2.0, -1.0], [0.0], [], [-1.0, 5.0]])
def test_constants_lie_on_their_grid(numbers: list[float]) -> None:
    array = np.array(numbers, np.float32)
    grid = constant_grid(array, ActivationFacts(dtype="uint8", source=""))
    back = (codes_on(array, grid).astype(np.int32) - grid.zero_point) * grid.scale
    assert np.all(np.abs(back - array) <= grid.scale / 2 * (1 + 1e-6))
    assert codes_on(np.zeros(1, np.float32), grid)[0] == grid.zero_point


def test_a_large_bias_beside_tiny_weights_does_not_overflow_the_accumulator() -> None:
    """With the bias allowed up to the end of int32, the sum of products carries it over: the output
    changes sign.
    """
    rng = np.random.default_rng(0)
    w, b = (rng.uniform(0.5, 1, size=(4, 16, 3, 3)) * 5e-6).astype(np.float32), np.array([1.0, -1.0, 0.9, 0.5], np.float32)
    model = net(
        "[op] c = Conv(x, w, b) [last] y = Conv(c, v)", inputs="float[1, 16, 8, 8] x", constants={"w": w, "b": b, "v": weights(4, 4, 1, 1)}
    )
    target, recipe = load_target("cpu"), Recipe()
    x = rng.uniform(0, 1, size=(2, 16, 8, 8)).astype(np.float32)
    statistics = observe(model, values_to_observe(model, target, recipe), open_dataset({"x": x}, input_specs(model)))
    plan = make_plan(model, statistics, target, recipe, MadeFrom("", "", ""))
    assert plan.nodes["op"].runs == "int8"
    with open_session(rewrite(model, plan, target)) as session, open_session(model) as float_session:
        found, wanted = session.run({"x": x[:1]})[0], float_session.run({"x": x[:1]})[0]
    np.testing.assert_allclose(found, wanted, atol=0.05)


@pytest.mark.parametrize(
    ("groups", "outputs", "spatial", "size"),
    [(2, 3, 2, 1e-5), (4, 1, 2, 0.3), (2, 2, 1, 0.3)],
    ids=["tiny weights", "depthwise", "one axis"],
)
def test_a_transposed_convolution_with_groups_keeps_its_biases(groups: int, outputs: int, spatial: int, size: float) -> None:
    """A scale serves one output of every group; the largest of their biases must not overflow."""
    rng = np.random.default_rng(0)
    kernel, channels = (2,) * spatial, groups * outputs
    known = {
        "w": (rng.uniform(0.5, 1, size=(4, outputs, *kernel)) * size).astype(np.float32),
        "b": rng.permutation(np.linspace(-1, 1, channels)).astype(np.float32),
        "v": weights(4, channels, *(1,) * spatial),
    }
    plane = ", ".join(["8"] * spatial)
    body = f"[op] c = ConvTranspose<group = {groups}, strides = {[2] * spatial}>(x, w, b) [last] y = Conv(c, v)"
    model = net(body, inputs=f"float[1, 4, {plane}] x", constants=known)
    x = rng.uniform(0, 1, size=(2, 4, *(8,) * spatial)).astype(np.float32)
    made = quantize(model, {"x": x}, target="mcu_tflite", prove=False)
    assert made.plan.nodes["op"].runs == "int8"
    FloatBoundary()(made.model)
    with open_session(made.model, optimize="off") as session, open_session(model) as float_session:
        found, wanted = session.run({"x": x[:1]})[0], float_session.run({"x": x[:1]})[0]
    assert np.square(found - wanted).mean() < 1e-3 * np.square(wanted).mean()


@pytest.mark.parametrize("rule", ["minmax", "mse"])
@pytest.mark.parametrize("shared", [False, True])
def test_scales_are_powers_of_two_where_the_target_says_so(rule: str, shared: bool) -> None:
    facts = changed(FACTS, power_of_two=True)
    scale = choose_scales(
        WEIGHTS, ONES, unlimited(facts), "minmax" if rule == "minmax" else "mse", shared, [BiasSide(0.3, np.float32([1, 2]))]
    )
    assert np.array_equal(np.exp2(np.rint(np.log2(scale))), scale)
    assert (np.abs(WEIGHTS).max(-1) <= scale * 127 * 2).all()


def test_weights_of_few_bits_span_the_codes_that_these_bits_have() -> None:
    lowest = changed(FACTS, narrow=False)
    assert [code_range(FACTS, bits) for bits in (8, 4, 2)] == [(-127, 127), (-7, 7), (-1, 1)]
    assert [code_range(lowest, bits) for bits in (8, 4, 2)] == [(-128, 127), (-8, 7), (-2, 1)]
