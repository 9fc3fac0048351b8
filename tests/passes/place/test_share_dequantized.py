"""ShareDequantized: what a group reads more than once stays one value, so that the runtime still
finds the group; the numbers stay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.passes.place.share_dequantized import ShareDequantized
from edgeq.runtimes.ort import open_session
from tests.graph_text import lines, net, weights

GRID = {"s": 0.02, "z": np.uint8(128)}
ERF = "f = DequantizeLinear(q, s, z) [d] d = Div(f, root) [e] e = Erf(d) [a] a = Add(e, one) [m] m = Mul(f, a) [y] y = Mul(m, half)"
NORM = """f = DequantizeLinear(q, s, z) [m] m = ReduceMean<axes = [-1]>(f) [d] d = Sub(f, m) [p] p = Pow(d, two)
    [v] v = ReduceMean<axes = [-1]>(p) [a] a = Add(v, eps) [r] r = Sqrt(a) [n] n = Div(d, r) [g] g = Mul(n, gain) [y] y = Add(g, shift)"""
CASES = {
    "Gelu": (ERF, {"root": 2**0.5, "one": 1.0, "half": 0.5}, ("d", "e", "a", "m", "y")),
    "LayerNormalization": (
        NORM,
        {"two": 2.0, "eps": 1e-5, "gain": weights(8), "shift": weights(8, seed=1)},
        ("m", "d", "p", "v", "a", "r", "n", "g", "y"),
    ),
}


def model_of(kernel: str) -> ir.Model:
    body, constants, _ = CASES[kernel]
    return net(body, inputs="uint8[1, 6, 8] q", constants={**GRID, **constants}, opset=17)


def test_one_sum_stands_before_the_group() -> None:
    model = model_of("Gelu")
    step = ShareDequantized((CASES["Gelu"][2],))
    assert step(model).modified
    assert lines(model)[:3] == ["f = DequantizeLinear(q, s, z)", "f_shared = Sum(f)", "d = Div(f_shared, root)"]
    assert lines(model)[5] == "m = Mul(f_shared, a)"
    assert not step(model).modified


def test_a_node_that_reads_a_value_twice_is_a_group_that_does() -> None:
    model = net("f = DequantizeLinear(q, s, z) [y] y = Mul(f, f)", inputs="uint8[4] q", constants=GRID)
    assert ShareDequantized((("y",),))(model).modified
    assert lines(model)[-1] == "y = Mul(f_shared, f_shared)"


@pytest.mark.parametrize("groups", [(), (("e",), ("m",)), (("e", "somebody else"),)])
def test_values_that_no_group_reads_twice_stay(groups: tuple[tuple[str, ...], ...]) -> None:
    model = model_of("Gelu")
    assert not ShareDequantized(groups)(model).modified


def test_other_readers_keep_the_value() -> None:
    body = "f = DequantizeLinear(q, s, z) [e] e = Erf(f) [y] y = Mul(f, e) [o] o = Neg(f)"
    model = net(body, inputs="uint8[4] q", outputs="float y, float o", constants=GRID)
    ShareDequantized((("e", "y"),))(model)
    assert lines(model)[-1] == "o = Neg(f)"


@pytest.mark.parametrize("kernel", list(CASES))
def test_the_runtime_finds_the_group(kernel: str, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (1, 6, 8)).astype(np.uint8)
    kernels, results = [], []
    for done in (False, True):
        model = model_of(kernel)
        if done:
            ShareDequantized((CASES[kernel][2],))(model)
        path = tmp_path / f"{done}.onnx"
        with open_session(model, optimized_path=path) as session:
            results.append(session.run({"q": codes})[0])
        kernels.append([node.op_type for node in onnx.load(str(path)).graph.node])
    assert kernel not in kernels[0]
    assert kernels[1] == ["DequantizeLinear", "Sum", kernel]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)
