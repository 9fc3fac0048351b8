"""Which nodes of a float model onnxruntime runs together: one kernel, several nodes."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgeq.runtimes.fusion import Fusion, note_fusions, noted_fusions
from edgeq.runtimes.fusions import fusions
from tests.graph_text import net, weights

W = {"w": weights(8, 8, 3, 3), "u": weights(8, 8), "c": weights(8, seed=1), "half": 0.5, "one": 1.0, "root": 2**0.5}


def found(body: str, inputs: str = "float[1, 6, 8] x", outputs: str = "float y") -> list[tuple[str, tuple[str, ...]]]:
    return [(one.kernel, one.nodes) for one in fusions(net(body, inputs=inputs, outputs=outputs, constants=W))]


ERF = "[d] d = Div({x}, root) [e] e = Erf(d) [a] a = Add(e, one) [m] m = Mul({x}, a) [g] y = Mul(m, half)"


@pytest.mark.parametrize(
    ("body", "kernel", "members"),
    [
        (ERF.format(x="x"), "Gelu", ("d", "e", "a", "m", "g")),
        ("[n] n = Neg(x) [b] b = Add(n, c) " + ERF.format(x="b"), "BiasGelu", ("b", "d", "e", "a", "m", "g")),
        ("[s] s = Sigmoid(x) [y] y = Mul(x, s)", "QuickGelu", ("s", "y")),
        ("[p] p = MatMul(x, u) [y] y = Mul(p, half)", "FusedMatMul", ("p", "y")),
        ("[a] a = Add(x, r) [y] y = LayerNormalization(a, c, c)", "SkipLayerNormalization", ("a", "y")),
    ],
)
def test_the_members_of_a_kernel(body: str, kernel: str, members: tuple[str, ...]) -> None:
    inputs = "float[1, 6, 8] x, float[1, 6, 8] r" if "(x, r)" in body else "float[1, 6, 8] x"
    assert (kernel, members) in found(body, inputs)


def test_an_activation_runs_with_its_convolution() -> None:
    body = "[conv] k = Conv<pads = [1, 1, 1, 1]>(x, w) [r] y = Relu(k)"
    assert found(body, "float[1, 8, 16, 16] x") == [("FusedConv", ("conv", "r"))]


def test_nodes_of_their_own_folded_ones_and_shapes_are_none() -> None:
    assert found("[e] e = Erf(x) [t] t = Tanh(e) [y] y = Softmax(t)") == []
    assert found("[n] n = Neg(c) [s] s = Shape(x) [f] f = Cast<to = 1>(s) [m] m = Mul(x, n) [e] y = Erf(m)") == []
    assert found("[t] t = Transpose<perm = [0, 2, 1]>(x) [y] y = Softmax(t)") == []


def test_a_value_that_others_read_is_no_part_of_a_kernel() -> None:
    assert found("[s] s = Sigmoid(x) [y] y = Mul(x, s) [z] z = Erf(s)", outputs="float y, float z") == []


def test_what_was_found_stays_with_the_model() -> None:
    model: ir.Model = net("y = Erf(x)")
    assert noted_fusions(model) == ()
    note_fusions(model, (Fusion("Gelu", ("a", "b")),))
    assert noted_fusions(model) == (Fusion("Gelu", ("a", "b")),)
