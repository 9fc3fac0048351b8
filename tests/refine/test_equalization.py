"""Equalization: factors follow the peaks, stop at a Clip's bound, and make grids fit; balancing
lowers the predicted noise.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.calibration.channel_stats import ChannelStats, channel_stats
from edgeq.data.held_out import divided
from edgeq.data.open import open_dataset
from edgeq.errors import BadPlan
from edgeq.graph.channels.classes import channel_classes
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32, F64
from edgeq.passes.quantize.equalize import Equalize
from edgeq.progress import Clock, Silent
from edgeq.proof.compare import CompareSettings, compare_models
from edgeq.refine.balance import balance, bounds
from edgeq.refine.equalization import LARGEST, WORTH, equalizing_exponents, values_to_measure
from edgeq.refine.noise_model import NoiseModel, noise_model
from edgeq.refine.steps import decide
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import open_session
from edgeq.schema.origins import SCALED_KEY, pack_exponents, read_exponents
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.scaling import STEPS, Exponents, factors_of
from edgeq.schema.target import load_target
from edgeq.schema.task import Task
from tests.changed import changed
from tests.graph_text import eager, net

RNG = np.random.default_rng(5)
#: output channels of very different size, as folding BatchNormalization leaves them
SIZES = np.array([1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.5, 0.05])
X = RNG.uniform(-1, 1, size=(24, 3, 12, 12)).astype(np.float32)
BODY = {
    "Relu": "a = Conv(x, w, b) r = Relu(a) c = Conv<group = 8>(r, d) e = Relu(c) y = Conv(e, v)",
    "Clip": "a = Conv(x, w, b) r = Clip(a, zero, high) c = Conv<group = 8>(r, d) e = Relu(c) y = Conv(e, v)",
}


def model_of(kind: str = "Relu") -> ir.Model:
    rng = np.random.default_rng(6)
    constants = {
        "w": rng.normal(size=(8, 3, 3, 3)) * SIZES[:, None, None, None],
        "b": 0.1 * rng.normal(size=8) * SIZES,
        "d": rng.normal(size=(8, 1, 3, 3)) / SIZES[::-1, None, None, None],
        "v": rng.normal(size=(4, 8, 1, 1)) * SIZES[::-1, None, None],
    }
    limits = {"zero": 0.0, "high": 1.0} if kind == "Clip" else {}
    return net(BODY[kind], inputs="float[N, 3, 12, 12] x", constants={**constants, **limits})


CONV = "Conv<kernel_shape = [1, 1]>"
_END = f"f = Relu(e) y = {CONV}(f, v)"
#: where a channel far above the others can pass through before its reader undoes it
STRUCTURES = {
    "relu": f"e0 = {CONV}(r, v1) e = Relu(e0) y = {CONV}(e, v)",
    "depthwise": f"k = Conv<group = 8, kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(r, d) h = Relu(k) e = {CONV}(h, v1) {_END}",
    "add": f"s = Conv<kernel_shape = [3, 3]>(x, w2) t = Relu(s) h = Add(r, t) e = {CONV}(h, v1) {_END}",
    "concat": f"s = Conv<kernel_shape = [3, 3]>(x, w3) t = Relu(s) h = Concat<axis = 1>(r, t) e = {CONV}(h, v2) {_END}",
    "pool": f"h = AveragePool<kernel_shape = [2, 2]>(r) e = {CONV}(h, v1) {_END}",
    "shared bias": f"m = {CONV}(r, v3, b1) n = Relu(m) e = {CONV}(n, v4, b1) y = {CONV}(e, v)",
}


def with_outlier(kind: str, factor: float) -> ir.Model:
    """A net whose channel 0 behind the first layer is `factor` times as large, and undone later."""
    rng = np.random.default_rng(8)
    known = {"w": rng.normal(size=(8, 3, 3, 3)), "w2": rng.normal(size=(8, 3, 3, 3)), "w3": rng.normal(size=(8, 3, 3, 3)),
             "d": rng.normal(size=(8, 1, 3, 3)), "v1": rng.normal(size=(8, 8, 1, 1)), "v2": rng.normal(size=(8, 16, 1, 1)),
             "v3": rng.normal(size=(8, 8, 1, 1)), "v4": rng.normal(size=(8, 8, 1, 1)), "v": rng.normal(size=(4, 8, 1, 1)),
             "b1": 0.1 * rng.normal(size=8)}  # fmt: skip
    made = ("w", "w2") if kind == "add" else ("w",)
    for name in made:
        known[name][0] *= factor
    for name in ("v1", "v2", "v3"):
        known[name][:, 0] /= factor
    body = f"a = Conv<kernel_shape = [3, 3]>(x, w) r = Relu(a) {STRUCTURES[kind]}"
    used = {name: array for name, array in known.items() if f", {name})" in body or f", {name}," in body}
    return net(body, inputs="float[N, 3, 12, 12] x", constants=used)


def exponents_of(model: ir.Model, quantized: tuple[str, ...]) -> Exponents:
    return equalizing_exponents(model, channel_classes(model), stats_of(model, quantized), quantized, shared=False)


def default_plan(model: ir.Model) -> Plan:
    task = Task(model, "", eager(), Recipe(), {})
    return decide(task, divided(open_dataset({"x": X}, input_specs(model)), "none"), None, Clock(), Silent()).plan


def stats_of(model: ir.Model, quantized: tuple[str, ...]) -> ChannelStats:
    channels = channel_classes(model)
    return channel_stats(model, values_to_measure(model, channels, quantized), open_dataset({"x": X}, input_specs(model)))


def factors(model: ir.Model, *, shared: bool) -> dict[str, F64]:
    quantized = ("r", "e")
    exponents = equalizing_exponents(model, channel_classes(model), stats_of(model, quantized), quantized, shared=shared)
    return factors_of(exponents)


def outputs(model: ir.Model, x: F32 = X) -> F32:
    with open_session(model, optimize="off", threads=1) as session:
        return np.asarray(session.run({"x": x})[0], np.float32)


def sqnr(model: ir.Model, plan: Plan) -> float:
    wanted, got = outputs(model).astype(np.float64), outputs(rewrite(model, plan, eager()))
    return float(10 * np.log10((wanted**2).sum() / ((wanted - got) ** 2).sum()))


def test_peaks_and_mean_squares_are_those_of_the_values() -> None:
    model = model_of()
    found = stats_of(model, ("r",))
    with open_session(net(BODY["Relu"].split(" c =")[0].replace("r = Relu", "y = Relu"), inputs="float[N, 3, 12, 12] x",
                          constants={name: value.const_value.numpy() for name, value in model.graph.initializers.items()
                                     if name in ("w", "b") and value.const_value is not None})) as session:  # fmt: skip
        r = session.run({"x": X})[0]
    np.testing.assert_allclose(found.peaks["r"], r.max((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(found.squares["r"], np.square(r, dtype=np.float64).mean((0, 2, 3)), rtol=1e-6)


def test_the_largest_channel_stays_and_the_others_grow_by_the_root_of_what_they_lack() -> None:
    model = with_outlier("relu", 1.0)
    peaks = stats_of(model, ("r",)).peaks["r"]
    found = factors_of(exponents_of(model, ("r", "e")))["r"]
    assert found[np.argmax(peaks)] == 1
    wanted = np.minimum(np.sqrt(peaks.max() / peaks), LARGEST)
    assert (found <= wanted * (1 + 1e-6)).all()
    assert (found > wanted * 2 ** (-1 / STEPS) * (1 - 1e-6)).all()


@pytest.mark.parametrize("factor", [30.0, 300.0, 3000.0])
@pytest.mark.parametrize("kind", STRUCTURES)
def test_a_channel_far_above_the_others_is_balanced_where_weights_have_a_scale_a_channel(kind: str, factor: float) -> None:
    """Its readers undo it, and so it costs nothing but what its grid takes from the others."""
    plain, model = with_outlier(kind, 1.0), with_outlier(kind, factor)
    wanted = outputs(model)
    np.testing.assert_allclose(outputs(plain), wanted, atol=1e-3 * np.abs(wanted).max())
    quiet, loud = (sqnr(one, default_plan(one)) for one in (plain, model))
    assert loud > quiet - 4


@pytest.mark.parametrize("factor", [30.0, 300.0, 3000.0])
@pytest.mark.parametrize("kind", ["relu", "shared bias"])
def test_targets_of_a_scale_a_channel_come_near_the_one_of_one_scale(kind: str, factor: float) -> None:
    """Held-out samples judge the step here; without VNNI, sums on any processor are those meant."""
    model = with_outlier(kind, factor)
    found = {}
    for name in ("cpu", "mcu_tflite", "dsp_int8"):
        made = edgeq.quantize(model, {"x": X}, target=load_target(name).without_vnni(), prove=False)
        found[name] = edgeq.compare(model, made.model, {"x": X}).outputs[0].sqnr_db
    assert min(found["cpu"], found["mcu_tflite"]) > found["dsp_int8"] - 4


def test_channels_of_common_size_keep_their_reserve() -> None:
    model = with_outlier("relu", 1.0)
    channels, stats = channel_classes(model), stats_of(model, ("r", "e"))
    noise = noise_model(model, channels, stats, ("r", "e"), shared=False, bits={})
    start = np.full(noise.count, 0.01)
    assert balance(model, channels, stats.peaks, noise, start, WORTH) is start


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", BODY)
def test_the_equalized_model_computes_the_same(kind: str, shared: bool) -> None:
    """Under a Clip: as long as no value goes beyond what was seen."""
    model = model_of(kind)
    wanted = outputs(model)
    assert Equalize(factors(model, shared=shared))(model).modified
    error = outputs(model).astype(np.float64) - wanted
    assert np.linalg.norm(error) <= 1e-4 * np.linalg.norm(wanted.astype(np.float64))


def test_under_a_clip_no_channel_is_scaled_beyond_the_bound() -> None:
    model = model_of("Clip")
    peaks = stats_of(model, ("r",)).peaks["r"]
    assert peaks.max() == 1.0
    for shared in (False, True):
        found = factors(model, shared=shared)["r"]
        assert (peaks * found <= 1 + 1e-6 if not shared else peaks * found <= 2 ** (0.5 / STEPS) + 1e-6).all()
        assert (found[peaks == 1.0] == 1).all()


def test_bounds_hold_a_channel_that_reaches_the_clip() -> None:
    model = model_of("Clip")
    channels, peaks = channel_classes(model), stats_of(model, ("r",)).peaks
    low, high = bounds(model, channels, peaks, 16)
    reached = channels.classes["r"][peaks["r"] == 1.0]
    assert (low[reached] == 0).all()
    assert (high[reached] == 0).all()


def noise_of(model: ir.Model, *, shared: bool = True) -> NoiseModel:
    stats = stats_of(model, ("r", "e"))
    return noise_model(model, channel_classes(model), stats, ("r", "e"), shared=shared, bits={})


@pytest.mark.parametrize("shared", [False, True])
def test_the_gradient_of_the_predicted_noise_is_its_slope(shared: bool) -> None:
    noise = noise_of(model_of(), shared=shared)
    logs = np.random.default_rng(7).normal(size=noise.count)
    _, slope = noise(logs)
    for place in range(noise.count):
        step = np.zeros(noise.count)
        step[place] = 1e-5
        measured = (noise(logs + step)[0] - noise(logs - step)[0]) / 2e-5
        assert slope[place] == pytest.approx(measured, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("shared", [False, True])
def test_scaling_everything_alike_changes_no_noise(shared: bool) -> None:
    """A factor that a layer puts on and the next takes off again moves weights and grids
    together.
    """
    noise = noise_of(model_of(), shared=shared)
    channels = channel_classes(model_of())
    logs = np.zeros(noise.count)
    logs[channels.classes["r"]] = 0.7
    assert noise(logs)[0] == pytest.approx(noise(np.zeros(noise.count))[0], rel=1e-9)


def test_balancing_makes_the_model_with_one_scale_a_weight_better() -> None:
    model, recipe = model_of(), Recipe(weights="per_tensor", effort="default")
    task = Task(model, "", eager(), recipe, {})
    done = decide(task, divided(open_dataset({"x": X}, input_specs(model)), "none"), None, Clock(), Silent())
    steps = {step.name: step.plan for step in done.steps}
    assert sqnr(model, steps["equalization"]) > sqnr(model, steps["ranges (mse)"]) + 6


def test_the_plan_repeats_equalization() -> None:
    model = model_of()
    task = Task(model, "", eager(), Recipe(), {})
    plan = decide(task, divided(open_dataset({"x": X}, input_specs(model)), "none"), None, Clock(), Silent()).plan
    assert plan.equalization
    again = Plan.model_validate_json(plan.to_json())
    first, second = (ir.to_proto(rewrite(model, one, eager())).SerializeToString(deterministic=True) for one in (plan, again))
    assert first == second


def test_values_with_one_channel_or_equal_channels_are_left_alone() -> None:
    same = np.ones((4, 3, 1, 1), np.float32)
    model = net(
        "a = Conv(x, w) r = Relu(a) y = Conv(r, v)", inputs="float[N, 3, 4, 4] x", constants={"w": same, "v": same[:, :1].repeat(4, 1)}
    )
    found = equalizing_exponents(model, channel_classes(model), _one(model), ("r",), shared=False)
    assert found == {}


def _one(model: ir.Model) -> ChannelStats:
    channels = channel_classes(model)
    data = open_dataset({"x": X[:, :, :4, :4]}, input_specs(model))
    return channel_stats(model, values_to_measure(model, channels, ("r",)), data)


def test_layers_of_an_equalized_model_are_compared_as_the_float_model_has_them() -> None:
    """Without the record of the factors the scaled channels would count as errors of their whole
    size.
    """
    model = model_of()
    made = edgeq.quantize(model, {"x": X}, target=eager(), prove=False)
    assert made.plan.equalization
    found = compare_models(model, made.model, open_dataset({"x": X}, input_specs(model)), CompareSettings(layers=True))
    assert {layer.name for layer in found.layers} >= {str(node.name) for node in model.graph if node.op_type == "Relu"}
    weakest = min(layer.sqnr_db for layer in found.layers)
    assert weakest > 15
    del made.model.metadata_props[SCALED_KEY]
    blind = compare_models(model, made.model, open_dataset({"x": X}, input_specs(model)), CompareSettings(layers=True))
    assert min(layer.sqnr_db for layer in blind.layers) < weakest - 5


def test_a_damaged_record_of_factors_is_no_record() -> None:
    model = model_of()
    for text in ("nonsense", pack_exponents({"r": (1, 2)})[:-9], ""):
        model.metadata_props[SCALED_KEY] = text
        assert read_exponents(model) == {}
    model.metadata_props[SCALED_KEY] = pack_exponents({"r": (1, -2)})
    assert read_exponents(model) == {"r": (1, -2)}


def test_a_plan_that_scales_other_channels_is_refused() -> None:
    model = model_of()
    task = Task(model, "", eager(), Recipe(), {})
    plan = decide(task, divided(open_dataset({"x": X}, input_specs(model)), "none"), None, Clock(), Silent()).plan
    for exponents in ({"r": (1, 2)}, {"r": (9999,) * 8}):
        with pytest.raises(BadPlan, match="scales"):
            rewrite(model, changed(plan, equalization=exponents), eager())


def test_weights_of_few_bits_add_noise_by_their_own_step() -> None:
    model = model_of()
    channels, stats = channel_classes(model), stats_of(model, ("r", "e"))
    for shared in (False, True):
        eight, four = (noise_model(model, channels, stats, (), shared=shared, bits=bits) for bits in ({}, dict.fromkeys(names(model), 4)))
        logs = np.random.default_rng(7).normal(size=eight.count)
        assert four(logs)[0] == pytest.approx((127 / 7) ** 2 * eight(logs)[0])


def test_weights_of_few_bits_are_balanced_although_activations_are_even() -> None:
    """A column of large weights makes the step of all others coarse, unless its input grows."""
    rng = np.random.default_rng(2)
    known = {"w": rng.normal(size=(8, 3, 3, 3)), "v": rng.normal(size=(16, 8, 1, 1))}
    known["w"] /= np.sqrt(np.square(known["w"]).sum((1, 2, 3), keepdims=True))
    known["v"][:, 0] *= 12
    body = f"[first] a = Conv<kernel_shape = [3, 3]>(x, w) r = Relu(a) [last] y = {CONV}(r, v)"
    model = net(body, inputs="float[N, 3, 12, 12] x", constants=known)
    channels, stats = channel_classes(model), stats_of(model, ("r",))
    eight, four = (equalizing_exponents(model, channels, stats, ("r",), shared=False, bits=bits) for bits in ({}, {"last": 4}))
    assert eight == {}
    assert four["r"][0] > np.median(four["r"][1:]) + STEPS  # twice as large


def names(model: ir.Model) -> list[str]:
    return [str(node.name) for node in model.graph]
