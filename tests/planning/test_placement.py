"""Where nodes run, and why: labels and reasons on small graphs for the cpu target."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.errors import BadRecipe
from edgeq.planning.cut.placement_cut import Cause
from edgeq.planning.placement import Placement, place
from edgeq.proof.proof import prove_placement
from edgeq.schema.plan import Because
from edgeq.schema.target import load_target
from tests.graph_text import Constants, net, weights

CPU = load_target("cpu")
W = {"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3, seed=1)}
PADDED = "pads = [1, 1, 1, 1]"


def placed(body: str, constants: Constants | None = None, keep: tuple[str, ...] = (), **shape: str) -> Placement:
    return place(net(body, constants={**W, **(constants or {})}, **shape), CPU, keep)


def runs(placement: Placement) -> dict[str, str]:
    return {name: node.runs for name, node in placement.nodes.items()}


def test_relu_and_clip_between_convolutions_are_absorbed() -> None:
    body = f"""[c1] a = Conv<{PADDED}>(x, w) [relu] b = Relu(a) [c2] c = Conv<{PADDED}>(b, v) [clip] d = Clip(c, low, high)
        [c3] y = Conv<{PADDED}>(d, w)"""
    found = placed(body, {"low": 0.0, "high": 6.0})
    assert runs(found) == {"c1": "int8", "relu": "absorbed", "c2": "int8", "clip": "absorbed", "c3": "int8"}
    assert found.nodes["c1"].reason.startswith("integer kernel: QLinearConv")
    assert found.converted == {"x"}
    assert found.integer == {"a", "b", "c", "d", "y"}


@pytest.mark.parametrize(
    ("between", "integer"),
    [
        ("s = Sigmoid(c) a = Mul(c, s)", True),
        ("s = LeakyRelu(c) a = Add(s, c)", True),
        ("a, s = Split<axis = 1>(c)", True),
        ("a = AveragePool<kernel_shape = [2, 2]>(c)", True),
        ("a = Transpose<perm = [0, 1, 3, 2]>(c)", False),  # channels are no longer last in memory
        ("a = Erf(c)", False),  # no Conv hands its layout on
        ("a = Identity(x)", False),
    ],
)
def test_pools_are_integers_where_the_runtime_keeps_channels_last(between: str, integer: bool) -> None:
    """Pyramids of pools, whose results are joined."""
    pool = "MaxPool<kernel_shape = [5, 5], pads = [2, 2, 2, 2]>"
    body = f"c = Conv(x, w) {between} [p1] p = {pool}(a) [p2] q = {pool}(p) [join] j = Concat<axis = 1>(a, p, q) y = GlobalAveragePool(j)"
    model = net(body, inputs="float[1, 64, 40, 40] x", constants={"w": weights(64, 64, 1, 1)})
    found = runs(place(model, CPU))
    assert [found[name] == "integer" for name in ("p1", "p2")] == [integer] * 2


def test_a_relu_whose_input_is_read_twice_clips_the_integers() -> None:
    body = f"[c1] a = Conv<{PADDED}>(x, w) [relu] b = Relu(a) [add] c = Add(a, b) [c2] y = Conv(c, v)"
    assert runs(placed(body)) == {"c1": "int8", "relu": "integer", "add": "int8", "c2": "int8"}


@pytest.mark.parametrize(
    ("nodes", "constants", "why"),
    [
        ("[op] b = Clip(a, low, high)", {"low": 6.0, "high": 1.0}, "in the wrong order"),
        ("[op] b = Clip(a, low) d = Reciprocal(b)", {"low": 1.0}, "away from 0 for Reciprocal"),
        ("t = ReduceMax<keepdims = 0>(x) [op] b = Clip(a, zero, t)", {"zero": 0.0}, "not constant"),
        ("[op] b = Erf(a)", {}, "no integer kernel for Erf"),
        ('[op] b = Resize<mode = "linear">(a, , s)', {"s": np.array([1, 1, 2, 2], np.float32)}, "Resize interpolates"),
        ("[op] b, i = MaxPool<kernel_shape = [2, 2]>(a) j = Cast<to = 1>(i)", {}, "indices as a second output"),
        ("k = Transpose<perm = [1, 0, 2, 3]>(e) [op] b = Conv(a, k)", {}, "weight of Conv is computed at run time"),
        ("[op] b = Conv(a, v, p)", {}, "bias of Conv is computed at run time"),
        ("[op] b = Add(a, m)", {"m": -3.4e38}, "too large for any grid"),
        ("[op] b = Mul(a, m)", {"m": float("inf")}, "too large for any grid"),
        ("[op] t = Add(a, m) b = Softmax(t)", {"m": float("inf")}, "too large for any grid (a mask?)"),
        ("[op] b = AveragePool<kernel_shape = [2, 2], dilations = [2, 2]>(a)", {}, "no dilations"),
    ],
)
def test_what_has_no_integer_form_says_why(nodes: str, constants: Constants, why: str) -> None:
    body = f"[c1] a = Conv<{PADDED}>(x, w) {nodes} [last] y = Identity(b)"
    opset = 19 if "dilations" in nodes else 17
    model = net(body, inputs="float[1, 8, 16, 16] x, float[8, 8, 3, 3] e, float[8] p", constants={**W, **constants}, opset=opset)
    node = place(model, CPU).nodes["op"]
    assert node.runs == "float"
    assert why in node.reason
    assert ("mask" in node.reason) == ("mask" in why)


GEMM = [
    ("Gemm<alpha = 0.5>(f, k)", {}, "alpha or beta"),
    ("Gemm<beta = 0.5>(f, k, c)", {"c": np.ones(6)}, "alpha or beta"),
    ("Gemm(f, k, c)", {"c": np.ones((6, 6))}, "whole matrix"),
    ("Gemm(f, k, c)", {"c": np.ones((6, 1))}, "a column"),  # as many numbers as channels, but one a row
]


@pytest.mark.parametrize(("op", "constants", "why"), GEMM)
def test_gemm_forms_without_a_kernel(op: str, constants: Constants, why: str) -> None:
    model = net(f"f = Relu(x) [op] y = {op}", inputs="float[6, 6] x", constants={"k": weights(6, 6), **constants})
    node = place(model, CPU).nodes["op"]
    assert node.runs == "float"
    assert why in node.reason


@pytest.mark.parametrize("bias", [np.ones(6), np.ones((1, 6)), np.ones(1), np.float64(1)])
def test_gemm_takes_one_bias_a_channel_or_one_for_all(bias: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    model = net("[op] y = Gemm(x, k, c)", inputs="float[6, 600] x", constants={"k": weights(600, 6), "c": bias})
    assert place(model, CPU).nodes["op"].runs == "int8"


def test_a_residual_add_and_what_feeds_it_stay_integer() -> None:
    body = f"[c1] a = Conv<{PADDED}>(x, w) [c2] b = Conv<{PADDED}>(a, v) [add] c = Add(a, b) [relu] d = Relu(c) [c3] y = Conv(d, w)"
    found = placed(body)
    assert runs(found) == {"c1": "int8", "c2": "int8", "add": "int8", "relu": "absorbed", "c3": "int8"}
    assert found.quantized == {"x", "a", "b", "c", "d", "y"}


def test_matmuls_hand_float_to_a_layer_norm_between_them() -> None:
    body = "[m1] a = MatMul(x, k) [ln] b = LayerNormalization(a, g) [m2] y = MatMul(b, k)"
    model = net(body, inputs="float[1, 128, 256] x", constants={"k": weights(256, 256), "g": np.ones(256)})
    found = place(model, CPU)
    assert runs(found) == {"m1": "int8", "ln": "float", "m2": "int8"}
    assert (found.integer, found.converted) == (frozenset(), {"x", "b"})


@pytest.mark.parametrize(
    ("layer", "reader"),
    [
        ("MatMul(x, k)", "Relu(a)"),
        ("Gemm(x, k)", "Relu(a)"),
        ("Gemm(x, k)", "Clip(a, low, high)"),
        ("Gemm(x, k)", "Sum(a, u)"),
        ("MatMul(x, k)", "Add(a, u)"),
        ("MatMul(x, k)", "Add(u, a)"),
        ("MatMul(x, k)", "LeakyRelu(a)"),
        ("Gemm(x, k)", "Add(a, u)"),
        ("Gemm(x, k)", "Tanh(a)"),
    ],
)
def test_a_layer_placed_on_integers_runs_there_whoever_reads_it(layer: str, reader: str) -> None:
    """onnxruntime joins some pairs in float first, unless a Quantize lies between them."""
    constants = {"k": weights(256, 256), "low": 0.0, "high": 6.0}
    model = net(
        f"[op] a = {layer} [reader] b = {reader} [last] y = Erf(b)", inputs="float[64, 256] x, float[64, 256] u", constants=constants
    )
    x = np.random.default_rng(0).normal(size=(3, 64, 256)).astype(np.float32)
    done = quantize(model, {"x": x, "u": x}, prove=False)
    assert done.plan.nodes["op"].runs == "int8"
    assert {node.name: node.runs_as for node in prove_placement(done.model, model).nodes}["op"] == "int8"


def test_a_float_reader_and_an_integer_reader_share_a_producer() -> None:
    """The shared value stays float for the one and is quantized for the other: no Dequantize in
    between.
    """
    body = f"e = Erf(x) [conv] a = Conv<{PADDED}>(e, w) [erf] b = Erf(e) [sum] y = Add(a, b)"
    found = placed(body)
    assert found.nodes["conv"].runs == "int8"
    assert found.nodes["erf"].runs == "float"
    assert "e" in found.converted


CAUSES = {
    "kernel": "[n] y = Conv(x, w)",
    "movement": "a = Conv(x, w) [n] b = Transpose(a) c = Transpose(b) y = Conv(c, v)",
    "absorbed": "a = Conv(x, w) [n] b = Relu(a) y = Conv(b, v)",
    "obstacle": "[n] a = Erf(x) y = Conv(a, w)",
    "no_float": "s = Shape(x) [n] t = Transpose(s) y = Conv(x, w)",
    "cost": "a = Exp(x) [n] b = Sigmoid(a) y = Exp(b)",
}


@pytest.mark.parametrize("because", CAUSES)
def test_each_cause_is_told_for_code(because: str) -> None:
    assert placed(CAUSES[because]).nodes["n"].because == because


@pytest.mark.parametrize("because", ["searched", "useless"])
def test_what_recipe_and_measurements_keep_float_is_told_apart(because: Because) -> None:
    model = net("[c1] a = Conv(x, w) [c2] b = Conv(a, v) [c3] y = Conv(b, w)", constants=W)
    found = place(model, CPU, ("c1", "c2"), chosen={"c2": Cause(because, "measured")})
    assert {name: node.because for name, node in found.nodes.items()} == {"c1": "kept", "c2": because, "c3": "kernel"}


def test_a_value_that_no_grid_holds_keeps_its_maker_and_readers_float() -> None:
    body = f"[c1] a = Conv<{PADDED}>(x, w) [c2] b = Conv<{PADDED}>(a, v) [c3] y = Conv(b, w)"
    found = place(net(body, constants=W), CPU, (), {"b": Cause("unfit", "holds 7 infinite values with this data")})
    assert runs(found) == {"c1": "int8", "c2": "float", "c3": "float"}
    assert found.nodes["c3"].because == "unfit"
    assert found.nodes["c3"].reason == "holds 7 infinite values with this data"
    assert "b" not in found.quantized


def test_shape_arithmetic_is_left_alone() -> None:
    body = f"""[c1] a = Conv<{PADDED}>(x, w) [sh] s = Shape(a) [pick] h = Slice(s, i, j) [cat] t = Concat<axis = 0>(h, r)
        [re] b = Reshape(a, t) [fc] y = MatMul(b, k)"""
    constants = {"i": np.array([0]), "j": np.array([1]), "r": np.array([1568]), "k": weights(1568, 6)}
    found = placed(body, constants, inputs="float[N, 8, 16, 16] x", outputs="float[N, 6] y")
    assert runs(found) == {"c1": "int8", "sh": "float", "pick": "float", "cat": "float", "re": "integer", "fc": "int8"}
    assert "integers or booleans" in found.nodes["pick"].reason


BODY = f"""[c0] a = Conv<{PADDED}>(x, w) [choice] y = If (go) <
    then_branch = t () => (float[1, 8, 16, 16] tv) {{ [c1] tc = Conv<{PADDED}>(a, v) [c2] tv = Conv<{PADDED}>(tc, v) }},
    else_branch = e () => (float[1, 8, 16, 16] ev) {{ [c3] ev = Identity(a) }}>"""


def test_bodies_are_placed_and_what_they_capture_arrives_as_float() -> None:
    found = placed(BODY, inputs="float[1, 8, 16, 16] x, bool go")
    assert runs(found)["c0"] == "int8"
    assert found.nodes["c1"].runs == "float"
    assert "graph around this body" in found.nodes["c1"].reason
    assert found.nodes["c2"].runs == "int8"
    assert found.nodes["choice"].runs == "float"


def test_hardswish_split_in_two_runs_in_integers_between_convolutions() -> None:
    body = f"[c1] a = Conv<{PADDED}>(x, w) [gate] g = HardSigmoid(a) [mul] b = Mul(a, g) [c2] y = Conv(b, v)"
    found = placed(body, inputs="float[1, 8, 64, 64] x")
    assert runs(found) == {"c1": "int8", "gate": "int8", "mul": "int8", "c2": "int8"}


def test_an_optional_output_left_out_ties_no_nodes_together() -> None:
    """Two nodes that each leave an output out: "" is not one value that both make."""
    body = """[conv] a = Conv(x, w) [pool] p, = MaxPool<kernel_shape = [2, 2]>(a) [c2] y = Conv(p, v)
        [lstm] , h, = LSTM<hidden_size = 4>(u, lw, lr)"""
    model = net(
        body.replace("p, =", "p, lost ="),
        inputs="float[1, 8, 16, 16] x, float[3, 1, 4] u",
        outputs="float y, float h",
        constants={**W, "lw": weights(1, 16, 4), "lr": weights(1, 16, 4)},
    )
    for node in model.graph:
        for value in node.outputs:
            if value.name == "lost":
                value.name = ""
    assert runs(place(model, CPU))["pool"] == "integer"


NAMES = f"[a_conv] a = Conv<{PADDED}>(x, w) [b_conv] b = Conv<{PADDED}>(a, v) [b_relu] c = Relu(b) [b_add] y = Add(c, a)"


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("a_conv", {"a_conv"}),
        ("b_*", {"b_conv", "b_relu", "b_add"}),
        ("/^[ab].conv$/", {"a_conv", "b_conv"}),
        ("Conv", {"a_conv", "b_conv"}),
        ("?_add", {"b_add"}),
    ],
)
def test_keep_float_by_name_glob_regex_and_operator(pattern: str, kept: set[str]) -> None:
    found = placed(NAMES, keep=(pattern,))
    assert {name for name, node in found.nodes.items() if "kept float by the recipe" in node.reason} >= kept
    assert all(found.nodes[name].reason == f"kept float by the recipe ({pattern})" for name in kept)
    assert {name for name, node in found.nodes.items() if node.reason.startswith("kept float by the recipe")} == kept


def test_keep_float_takes_a_name_with_brackets_at_its_word() -> None:
    model = net(NAMES, constants=W)
    next(iter(model.graph)).name = "layers[0]/conv"
    assert place(model, CPU, ("layers[0]/conv",)).nodes["layers[0]/conv"].runs == "float"


@pytest.mark.parametrize("pattern", ["nothing", "LSTM", "/x{3}/", "/(/", "b_conv "])
def test_a_pattern_that_matches_nothing_or_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        placed(NAMES, keep=(pattern,))
    assert caught.value.where == "keep_float"
    assert pattern in caught.value.what


def test_a_lone_light_operator_is_not_worth_converting_for() -> None:
    model = net("[add] y = Add(x, x)")
    node = place(model, CPU).nodes["add"]
    assert node.runs == "float"
    assert "cost more than it saves" in node.reason


def test_operators_of_other_domains_are_never_taken_for_onnxs_own() -> None:
    model = net(f"[c1] a = Conv<{PADDED}>(x, w) [own] b = Relu(a) [c2] y = Conv(b, v)", constants=W)
    own = next(node for node in model.graph if node.name == "own")
    own.domain, own.op_type = "com.example", "Sigmoid"
    place_of = place(model, CPU).nodes["own"]
    assert place_of.runs == "float"
    assert "com.example::Sigmoid" in place_of.reason


def test_every_node_has_a_place_and_a_reason() -> None:
    model = net(BODY, inputs="float[1, 8, 16, 16] x, bool go", constants=W)
    found = place(model, CPU)
    assert set(found.nodes) == {node.name for node in ir.traversal.RecursiveGraphIterator(model.graph)}
    assert all(node.reason for node in found.nodes.values())
