"""refine: rounding with the data in view makes layers better, shared weights stay one, biases take
up the mean error.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.data.held_out import divided
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.progress import Clock, Silent
from edgeq.refine import round_apart
from edgeq.refine.draft import Draft
from edgeq.refine.round_apart import moments_of
from edgeq.refine.steps import decide
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Planned, Task
from tests.changed import changed
from tests.graph_text import net, weights

CPU = load_target("cpu")
#: worth any conversion: these tests are about weights
EAGER = changed(CPU, boundary=changed(CPU.boundary, integer_mac_worth_ns=1e6))
RECIPE = Recipe(rule="minmax", input_grids="by_rule")


def correlated(*shape: int) -> F32:
    """Inputs with a mean, whose channels (last axis) depend on each other."""
    rng = np.random.default_rng(9)
    mix = rng.normal(size=(3, shape[-1])) + 0.2
    return (rng.normal(size=(*shape[:-1], 3)) @ mix + 0.1 * rng.normal(size=shape) + 1).astype(np.float32)


def planned(model: ir.Model, x: F32, recipe: Recipe = RECIPE, target: Target = EAGER) -> Planned:
    return decide(Task(model, "", target, recipe, {}), divided(open_dataset({"x": x}, input_specs(model)), "none"), None, Clock(), Silent())


def weight_error(model: ir.Model, plan: Plan, x: F32) -> F32:
    """Outputs of the model with quantized weights and float activations, less those of the float
    model: [N, ..., C].
    """
    lone = changed(plan, grids={})
    with open_session(model) as exact, open_session(rewrite(model, lone, EAGER), optimize="off") as rounded:
        return np.asarray(rounded.run({"x": x})[0] - exact.run({"x": x})[0], np.float32)


MATMUL = "[op] y = MatMul(x, w)"
GEMM = "[op] y = Gemm(x, w, b)"


def test_rounding_with_the_data_in_view_lowers_the_error_of_the_outputs() -> None:
    model = net(MATMUL, inputs="float[N, 40] x", constants={"w": weights(40, 8)})
    x = correlated(200, 40)
    done = planned(model, x)
    nearest, rounded = (step.plan for step in done.steps)
    assert np.square(weight_error(model, rounded, x)).mean() < 0.5 * np.square(weight_error(model, nearest, x)).mean()
    assert rounded is done.plan
    assert rounded.weights["op:1"].codes is not None


@pytest.mark.parametrize("op", ["strides = [2, 2], pads = [1, 1, 1, 1]", "strides = [2, 2], output_padding = [1, 1]", "strides = [3, 1]"])
def test_a_transposed_convolution_is_rounded_for_the_taps_that_meet(op: str) -> None:
    model = net(f"[op] y = ConvTranspose<{op}>(x, w)", inputs="float[N, 12, 5, 5] x", constants={"w": weights(12, 6, 4, 4)})
    x = np.ascontiguousarray(correlated(40, 5, 5, 12).transpose(0, 3, 1, 2))
    nearest, *_, rounded = (step.plan for step in planned(model, x, target=load_target("mcu_tflite")).steps)
    assert rounded.weights["op:1"].codes is not None
    assert np.square(weight_error(model, rounded, x)).mean() < 0.5 * np.square(weight_error(model, nearest, x)).mean()


def stored(model: ir.Model, plan: Plan) -> F32:
    """The integers of the only weight in the exported file."""
    written = rewrite(model, plan, EAGER).graph.initializers.values()
    arrays = [value.const_value.numpy() for value in written if value.const_value is not None]
    return next(array.astype(np.float32) for array in arrays if array.dtype == np.int8 and array.ndim == 2)


@pytest.mark.parametrize("effort", ["fast", "default"])
def test_weights_of_four_bits_have_no_more_than_fifteen_codes(effort: str) -> None:
    model = net(MATMUL, inputs="float[N, 40] x", constants={"w": weights(40, 8)})
    x = correlated(200, 40)
    plan = planned(model, x, changed(RECIPE, weight_bits=4, effort=effort)).plan
    codes = stored(model, plan)
    assert (codes.min(), codes.max()) == (-7, 7)


def test_rounding_with_the_data_in_view_matters_most_with_few_bits() -> None:
    model = net(MATMUL, inputs="float[N, 40] x", constants={"w": weights(40, 8)})
    x = correlated(200, 40)
    nearest, rounded = (step.plan for step in planned(model, x, changed(RECIPE, weight_bits=4)).steps)
    assert np.square(weight_error(model, rounded, x)).mean() < 0.3 * np.square(weight_error(model, nearest, x)).mean()


def test_the_bias_takes_up_the_mean_error() -> None:
    """Per channel; what is left is the rounding of the input in the moments."""
    model = net(GEMM, inputs="float[N, 40] x", constants={"w": weights(40, 8), "b": weights(8)})
    x = correlated(300, 40)
    nearest, corrected, *_ = (step.plan for step in planned(model, x).steps)
    assert nearest.biases == {}
    uncorrected = changed(corrected, biases={})
    before, after = (np.abs(weight_error(model, plan, x).mean(0)) for plan in (uncorrected, corrected))
    assert after.max() < 0.1 * before.max()
    assert len(corrected.biases["op"]) == 8


def test_a_layer_without_a_bias_gets_none() -> None:
    model = net(MATMUL, inputs="float[N, 40] x", constants={"w": weights(40, 8)})
    assert planned(model, correlated(50, 40)).plan.biases == {}


def test_a_single_bias_number_becomes_one_a_channel() -> None:
    model = net(GEMM, inputs="float[N, 40] x", constants={"w": weights(40, 8), "b": np.float32(0.5)})
    x = correlated(60, 40)
    plan = planned(model, x).plan
    assert len(plan.biases["op"]) == 8
    with open_session(model) as exact, open_session(rewrite(model, plan, EAGER)) as quantized:
        wanted, found = (session.run({"x": x})[0] for session in (exact, quantized))
    assert np.abs(wanted - found).max() < 0.05 * np.abs(wanted).max()


SHARED = "[one] a = Gemm(x, w, b) [two] c = Relu(a) [three] y = Gemm(c, w, d)"


def test_nodes_that_share_a_weight_share_its_codes_but_not_their_biases() -> None:
    model = net(SHARED, inputs="float[N, 24] x", constants={"w": weights(24, 24), "b": weights(24), "d": 100 * weights(24, seed=1)})
    plan = planned(model, correlated(80, 24)).plan
    assert plan.weights["one:1"] == plan.weights["three:1"]
    assert plan.biases["one"] != plan.biases["three"]
    result = rewrite(model, plan, EAGER)
    matrices = [v for v in result.graph.initializers.values() if v.dtype == ir.DataType.INT8 and v.shape is not None and len(v.shape) == 2]
    assert len(matrices) == 1


def test_a_square_weight_used_both_ways_round_is_rounded_for_each() -> None:
    """The same matrix from both sides: scales along other axes, other codes."""
    model = net(
        "[one] a = Gemm(x, w, b) [two] y = Gemm<transB = 1>(a, w, b)",
        inputs="float[N, 24] x",
        constants={"w": weights(24, 24), "b": weights(24)},
    )
    x = correlated(100, 24)
    plan = planned(model, x).plan
    assert (plan.weights["one:1"].axis, plan.weights["two:1"].axis) == (1, 0)
    with open_session(model) as exact, open_session(rewrite(model, plan, EAGER)) as quantized:
        wanted, found = (session.run({"x": x})[0] for session in (exact, quantized))
    signal, noise = np.square(wanted).sum(), np.square(wanted - found).sum()
    assert 10 * np.log10(signal / noise) > 30


def test_codes_stay_within_the_type_and_the_plan_repeats() -> None:
    model = net("[op] y = Conv<group = 4>(x, w, b)", inputs="float[N, 8, 9, 9] x", constants={"w": weights(8, 2, 3, 3), "b": weights(8)})
    x = np.moveaxis(correlated(20, 9, 9, 8), -1, 1).copy()
    first, second = (planned(model, x).plan for _ in range(2))
    assert first.to_json() == second.to_json()
    grid = first.weights["op:1"]
    codes = grid.codes
    assert codes is not None
    assert codes.size == 8 * 2 * 3 * 3
    assert (codes.min() >= -127, codes.max() <= 127) == (True, True)


def test_fast_effort_rounds_to_nearest() -> None:
    model = net(MATMUL, inputs="float[N, 40] x", constants={"w": weights(40, 8)})
    done = planned(model, correlated(50, 40), Recipe(rule="minmax", effort="fast"))
    assert [step.name for step in done.steps] == ["ranges (minmax)"]
    assert done.plan.weights["op:1"].codes is None


def test_weights_are_rounded_one_by_one_where_two_at_once_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much memory is free: the widest layers of a network are its last, side by side."""
    model = net("[a] h = MatMul(x, w) [b] y = MatMul(h, v)", inputs="float[N, 40] x", constants={"w": weights(40, 8), "v": weights(8, 4)})
    task, x = Task(model, "", EAGER, RECIPE, {}), correlated(64, 40)
    draft = Draft.of(task, planned(model, x).plan)
    weighed = moments_of(draft, draft.layers, open_dataset({"x": x}, input_specs(model)), Silent())
    assert [len(group) for group in round_apart._in_groups(list(weighed), 2)] == [2]
    whole = round_apart.round_apart(draft, list(weighed))
    monkeypatch.setattr(round_apart, "TOGETHER_BYTES", 1)
    assert [len(group) for group in round_apart._in_groups(list(weighed), 2)] == [1, 1]
    assert round_apart.round_apart(draft, list(weighed)) == whole
