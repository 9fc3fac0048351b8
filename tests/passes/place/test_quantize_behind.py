"""QuantizeBehind: the codes stay, and the runtime leaves the pool in float."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.passes.place.quantize_behind import QuantizeBehind
from edgeq.proof.proof import prove_placement
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from edgeq.testing.pass_laws import check_pass
from tests.graph_text import lines, net, weights

GRID = {"s": 0.0713, "z": np.uint8(128)}
TOY = "y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)  q = QuantizeLinear(y, s, z)  d = DequantizeLinear(q, s, z)  e = Erf(d)"


def test_what_is_quantized_and_its_scale_are_doubled() -> None:
    model = net(TOY, inputs="float[1, 2, 4, 4] x", constants=GRID, outputs="e")
    assert QuantizeBehind({"MaxPool_0"})(model).modified
    assert lines(model)[1:4] == [
        "y_twice = Mul(y, y_two)",
        "q = QuantizeLinear(y_twice, y_scale_twice, z)",
        "d = DequantizeLinear(q, s, z)",
    ]


@pytest.mark.parametrize("scale", [0.0713, 1e-30, 3.1e-3])
def test_the_codes_stay(scale: float) -> None:
    x = (np.random.default_rng(0).normal(size=(1, 2, 4, 4)) * 50 * scale).astype(np.float32)
    before, after = (net(TOY, inputs="float[1, 2, 4, 4] x", constants={**GRID, "s": scale}, outputs="q") for _ in range(2))
    QuantizeBehind({"MaxPool_0"})(after)
    results = [open_session(model, optimize="off").run({"x": x}, ["q"])[0] for model in (before, after)]
    assert np.array_equal(*results)


def test_it_holds_the_law_of_passes() -> None:
    model = net(TOY, inputs="float[1, 2, 4, 4] x", constants=GRID, outputs="d")
    check_pass(QuantizeBehind({"MaxPool_0"}), model, tolerance=0)


def test_other_nodes_and_values_without_codes_stay() -> None:
    model = net(TOY, inputs="float[1, 2, 4, 4] x", constants=GRID, outputs="e")
    assert not QuantizeBehind({"somebody else"})(model).modified
    plain = net("y = MaxPool<kernel_shape = [2, 2]>(x)  e = Erf(y)", inputs="float[1, 2, 4, 4] x", outputs="e")
    assert not QuantizeBehind({"MaxPool_0"})(plain).modified


@pytest.mark.parametrize(("sides", "shape"), [("[3, 3]", "1, 3, 32, 32"), ("[5, 1]", "1, 1, 48, 24")])
def test_a_pool_between_a_float_layer_and_an_integer_one_runs_in_float(sides: str, shape: str) -> None:
    inner = int(shape.split(", ")[1])
    high, wide = (int(size) for size in sides[1:-1].split(", "))
    body = f"""[c1] a = Conv<pads = [{high // 2}, {wide // 2}, {high // 2}, {wide // 2}]>(x, w)  r = Relu(a)
        [m] b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r)  [c2] y = Conv<pads = [1, 1, 1, 1]>(b, v)"""
    constants = {"w": weights(16, inner, high, wide), "v": weights(32, 16, 3, 3)}
    model = net(body, inputs=f"float[{shape}] x", constants=constants)
    data = {"x": np.random.default_rng(1).normal(size=(16, *map(int, shape.split(", ")[1:]))).astype(np.float32)}
    made = quantize(model, data, recipe=Recipe(effort="fast", keep_float=("c1", "m")), prove=False)
    runs = {node.name: node.runs_as for node in prove_placement(made.model, model).nodes}
    assert (runs["m"], runs["c2"]) == ("float", "int8")


def test_a_pool_behind_turned_codes_runs_in_float() -> None:
    """It reads a Dequantize, and a Quantize is behind it: both are held."""
    body = """[c1] a = Conv<pads = [1, 1, 1, 1]>(x, w)  h = Transpose<perm = [0, 1, 3, 2]>(a)  [m] b = MaxPool<kernel_shape = [2, 2]>(h)
        [c2] y = Conv<pads = [1, 1, 1, 1]>(b, v)"""
    model = net(body, inputs="float[1, 8, 64, 64] x", constants={"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3)})
    data = {"x": np.random.default_rng(1).normal(size=(16, 8, 64, 64)).astype(np.float32)}
    made = quantize(model, data, recipe=Recipe(effort="fast"), prove=False)
    runs = {node.name: node.runs_as for node in prove_placement(made.model, model).nodes}
    assert (runs["m"], runs["c2"]) == ("float", "int8")


def test_a_conv_that_must_be_float_leaves_its_pool_in_float() -> None:
    body = "[c1] a = Conv<pads = [1, 1, 1, 1]>(x, w)  [m] b = MaxPool<kernel_shape = [2, 2]>(a)  [c2] y = Conv<pads = [1, 1, 1, 1]>(b, v)"
    model = net(body, inputs="float[1, 8, 64, 64] x", constants={"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3)})
    data = {"x": np.random.default_rng(1).normal(size=(16, 8, 64, 64)).astype(np.float32)}
    made = quantize(model, data, recipe=Recipe(effort="fast", keep_float=("c1",)), prove=False)
    runs = {node.name: node.runs_as for node in prove_placement(made.model, model).nodes}
    assert (runs["m"], runs["c2"]) == ("float", "int8")


def test_a_view_between_the_pool_and_the_codes_changes_nothing() -> None:
    """A Quantize would be moved in front of both."""
    body = "y = MaxPool<kernel_shape = [2, 2]>(x) r = Reshape(y, flat) q = QuantizeLinear(r, s, z) d = DequantizeLinear(q, s, z) e = Erf(d)"
    model = net(body, inputs="float[1, 2, 4, 4] x", constants={**GRID, "flat": np.array([1, -1])}, outputs="e")
    assert QuantizeBehind({"MaxPool_0"})(model).modified
    assert lines(model)[2:4] == ["r_twice = Mul(r, r_two)", "q = QuantizeLinear(r_twice, r_scale_twice, z)"]
