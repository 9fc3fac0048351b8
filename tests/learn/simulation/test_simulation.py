"""A plan's integers in torch: what is exported computes what was simulated, and nothing moves that
must not.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

import onnx_ir as ir  # noqa: E402

from edgeq.api import quantize  # noqa: E402
from edgeq.errors import EdgeqError, UnsupportedOp  # noqa: E402
from edgeq.io.load import load_proto  # noqa: E402
from edgeq.learn.simulation.simulation import Simulation  # noqa: E402
from edgeq.numerics.arrays import Ints  # noqa: E402
from edgeq.numerics.saturation import worst_pairs  # noqa: E402
from edgeq.planning.weight_grids import codes_of  # noqa: E402
from edgeq.refine.draft import Draft  # noqa: E402
from edgeq.refine.weighted import weighted_layers  # noqa: E402
from edgeq.rewrite.set_up import set_up  # noqa: E402
from edgeq.schema.codebook import CodebookWish  # noqa: E402
from edgeq.schema.recipe import Recipe  # noqa: E402
from edgeq.schema.target import load_target  # noqa: E402
from edgeq.schema.weights import WeightPlan  # noqa: E402
from edgeq.testing.pass_models import TEXTS, law_model  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402
from tests.learn_room import Classroom, classroom, rich_net  # noqa: E402
from tests.small_models import conv_net, text_model  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

TARGETS = ("cpu", "dsp_int8", "npu_pow2", "mcu_tflite")
#: of the largest output, where the last operators run in float
FLOAT_NOISE = 1e-5


def assert_exported_equals_simulated(room: Classroom) -> None:
    for name, difference in room.differences().items():
        if name in room.plan.grids:
            assert difference.max() <= 1 + FLOAT_NOISE, name
            assert (difference < 0.5).mean() >= 0.999, name
        else:
            assert difference.max() <= FLOAT_NOISE, name


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("make", [rich_net, net, conv_net])
def test_exported_equals_simulated_before_and_after_training(make: object, target: str) -> None:
    if (make, target) == (conv_net, "mcu_tflite"):
        pytest.skip("the target has no kernel for its last operator")
    room = classroom(make(), target)  # type: ignore[operator]
    assert room.student.learned() == room.plan
    assert_exported_equals_simulated(room)
    room.learn(4, 0.3)
    assert room.student.learned() != room.plan
    assert_exported_equals_simulated(room)


def test_a_hard_sigmoid_of_zero_is_rounded_as_the_runtime_does() -> None:
    """Half of 255 codes lies between two: which one it becomes hangs on the last bit of the scale
    of what the kernel adds.
    """
    text = """<ir_version: 8, opset_import: ["": 17]>
    net (float[N, 8, 12, 12] x) => (float[N, 32, 10, 10] y) {
      c = Conv(x, w)  r = Relu(c)  [gate] s = HardSigmoid<alpha = 0.2>(r)  y = Conv(s, v) }"""
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(32, 8, 3, 3)).astype(np.float32), "v": np.eye(32, dtype=np.float32)[..., None, None]}
    room = classroom(text_model(text, weights), "cpu")
    assert room.plan.nodes["gate"].runs == "int8"
    assert max(float(difference.max()) for difference in room.differences().values()) <= FLOAT_NOISE


@pytest.mark.parametrize("refits", [False, True], ids=["gradient", "refit"])
@pytest.mark.parametrize("codebook", [{}, {"granularity": "group:8"}, {"granularity": "channel"}, {"prune": "0.5"}], ids=str)
def test_codebooks_of_4_bits_stay_codebooks_of_4_bits(codebook: dict[str, str], refits: bool) -> None:
    room = classroom(net(), "cpu", Recipe(codebook=CodebookWish.model_validate({"bits": 4} | codebook)), refits=refits)
    assert any(weight.format == "codebook" for weight in room.plan.weights.values())
    assert room.student.learned() == room.plan
    assert_exported_equals_simulated(room)
    room.learn(4, 0.3)
    before, after = room.plan.weights, room.student.learned().weights
    assert {key for key in before if not np.array_equal(before[key].codes, after[key].codes)} == set(before)
    assert {key: storage(weight) for key, weight in before.items()} == {key: storage(weight) for key, weight in after.items()}
    assert_exported_equals_simulated(room)  # rewriting refuses a weight of more values than its table has
    for key in [key for key in after if "prune" in codebook and before[key].format == "codebook"]:
        assert not codes(after, key)[codes(before, key) == 0].any()


def codes(weights: dict[str, WeightPlan], key: str) -> Ints:
    found = weights[key].codes
    assert found is not None
    return found


def storage(weight: WeightPlan) -> dict[str, object]:
    return {name: value for name, value in dict(weight).items() if name in ("format", "granularity", "channel_axis", "bits")}


@pytest.mark.parametrize(
    ("target", "least"),
    [("cpu", 30), *(pytest.param(*one, marks=pytest.mark.slow) for one in (("dsp_int8", 15), ("npu_pow2", 15), ("mcu_tflite", 12)))],
)
def test_small_models_of_every_kind(target: str, least: int) -> None:
    """Those that the target and torch can run; on cpu most of them stay float for their size."""
    compared = 0
    for name in TEXTS:
        try:
            room = classroom(ir.to_proto(law_model(name)), target)
            assert_exported_equals_simulated(room)
        except EdgeqError:  # float kernels are missing, torch has no such operator, or its inputs are no float32
            continue
        assert room.student.learned() == room.plan, name
        room.learn(2, 0.3)
        assert_exported_equals_simulated(room)
        compared += 1
    assert compared >= least


def test_what_is_held_stays_and_the_rest_moves() -> None:
    """Held: the input's grid, which users rely on, and those that an operator has whatever the
    data.
    """
    room = classroom(rich_net(), "mcu_tflite")
    room.learn(4, 1.0)
    before, after = room.plan.grids, room.student.learned().grids
    moved = {name for name in before if before[name] != after[name]}
    assert not moved & {"x", "s", "y"}
    assert {"k", "p", "l"} <= moved
    groups = {name: grid.group for name, grid in after.items() if grid.group is not None}
    for name, group in groups.items():  # what shares a grid still does
        assert after[name].scale == after[next(other for other in groups if groups[other] == group)].scale


def test_powers_of_two_stay_powers_of_two() -> None:
    room = classroom(rich_net(), "npu_pow2")
    room.learn(4, 1.0)
    learned = room.student.learned()
    assert learned.grids == room.plan.grids
    scales = [scale for grid in learned.weights.values() for scale in grid.scale]
    assert all(math.frexp(scale)[0] == 0.5 for scale in scales)
    assert any(not np.array_equal(learned.weights[key].codes, room.plan.weights[key].codes) for key in learned.weights)


def test_a_scale_that_stands_for_a_clip_never_grows() -> None:
    room = classroom(rich_net(), "cpu")
    assert room.plan.nodes["clip"].runs == "absorbed"
    with torch.no_grad():
        for parameter in room.student.learnable:
            parameter += 1.0
    before, after = room.plan.grids, room.student.learned().grids
    assert after["k"].scale == before["k"].scale
    assert after["p"].scale > before["p"].scale
    with torch.no_grad():
        for parameter in room.student.learnable:
            parameter -= 2.0
    assert room.student.learned().grids["k"].scale < before["k"].scale


@pytest.mark.parametrize("bits", [None, 4, 5])
def test_no_two_neighbours_saturate_after_large_steps(bits: int | None) -> None:
    room = classroom(net(), "cpu", Recipe(codebook=CodebookWish.model_validate({} if bits is None else {"bits": bits})))
    room.learn(4, 20.0)
    after = room.student.learned().weights
    checked = 0
    for one in weighted_layers(room.model, room.plan, room.target):
        allowed = codes_of(room.target.weights, one.layer, 8)
        assert allowed.limit is not None
        rows = one.layer.weight_rows(codes(after, one.key).reshape(one.array().shape).astype(np.float32))
        assert worst_pairs(rows, allowed.pairs).max() <= allowed.limit
        assert np.abs(rows).max() > 20  # they did move
        checked += 1
    assert checked == 3


def test_refitting_moves_entries_to_the_means_of_their_clusters() -> None:
    room = classroom(net(), "cpu", Recipe(codebook=CodebookWish(bits=2)), refits=True)
    weight = next(one for one in room.student.weights if one.table is not None)
    assert weight.table is not None and not weight.table.entries.requires_grad
    with torch.no_grad():
        weight.free.data += 3.0 / weight.unit  # all numbers move by three codes: so must every entry
    codes_before = weight.whole().detach()
    room.student.refit()
    wanted = (weight.free.detach() * weight.unit).numpy()
    entries = np.sort(weight.table.kept().detach().numpy(), axis=-1)[0]
    means = [wanted[codes_before.numpy() == code].mean() for code in np.unique(codes_before.numpy())]
    free = ~weight.table.held.numpy()[0]
    assert np.isin(np.round(means, 3), np.round(entries, 3)).sum() >= free.sum()


@pytest.mark.parametrize(
    "text",
    [
        "y = Loop(m, c, x) <body = b (int64 i, bool d, float[4, 4] v) => (bool e, float[4, 4] w) { e = Identity(d) w = Sigmoid(v) }>",
        "y = If(c) <then_branch = t () => (float[4, 4] v) { v = Sigmoid(x) }, else_branch = e () => (float[4, 4] w) { w = Tanh(x) }>",
    ],
)
def test_operators_with_bodies_are_refused_by_name(text: str) -> None:
    head = (
        '<ir_version: 8, opset_import: ["": 17]> net (float[4, 4] x) => (float[4, 4] y) { s = ReduceSum<keepdims = 0>(x) c = Greater(s, z)'
    )
    model = text_model(f"{head} {text} }}", {"m": np.asarray(3), "z": np.asarray(0, np.float32)})
    data = {"x": np.random.default_rng(0).normal(size=(8, 4, 4)).astype(np.float32)}
    loaded, target = load_proto(model), load_target("cpu")
    made = quantize(loaded, data, target=target, recipe=Recipe(effort="fast"), prove=False, data_doubts="accept")
    task = set_up(loaded, target, Recipe(effort="fast"), None, data, made.plan).task
    with pytest.raises(UnsupportedOp, match="cannot be run in torch"):
        Simulation(Draft.of(task, made.plan))
