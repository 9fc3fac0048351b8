"""What the float model runs as one kernel and the int8 model as several: named once it happens, and
edgeq's own models lose none.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.proof.findings import fusions_lost
from edgeq.proof.lost_fusions import LostFusion
from edgeq.proof.proof import prove_placement
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

C = {"root": 2**0.5, "one": 1.0, "half": 0.5, "two": 2.0, "eps": 1e-5, "gain": weights(8), "shift": weights(8, seed=1)}
GRID = {"s": 0.02, "z": np.uint8(128), "t": 0.02, "v": np.uint8(128)}
ERF = "[d] d = Div({x}, root) [e] e = Erf(d) [a] a = Add(e, one) [m] m = Mul({x}, a) [g] {y} = Mul(m, half)"
NORM = """[mean] mean = ReduceMean<axes = [-1]>({x}) [sub] sub = Sub({x}, mean) [pow] pow = Pow(sub, two)
    [var] var = ReduceMean<axes = [-1]>(pow) [add] add = Add(var, eps) [sqrt] sqrt = Sqrt(add) [div] div = Div(sub, sqrt)
    [mul] mul = Mul(div, gain) [last] {y} = Add(mul, shift)"""
PAIR = "q = QuantizeLinear(x, s, z) f = DequantizeLinear(q, s, z) "


def lost(int8: str, floats: str, inputs: str = "float[1, 6, 8] x") -> tuple[LostFusion, ...]:
    return prove_placement(net(int8, inputs=inputs, constants={**C, **GRID}), net(floats, inputs=inputs, constants=C)).lost


def test_a_dequantized_value_that_a_group_reads_twice_breaks_it() -> None:
    nodes = ("d", "e", "a", "m", "g")
    assert lost(PAIR + ERF.format(x="f", y="y"), ERF.format(x="x", y="y")) == (LostFusion("Gelu", nodes, nodes),)
    (norm,) = lost(PAIR + NORM.format(x="f", y="y"), NORM.format(x="x", y="y"))
    assert norm.kernel == "LayerNormalization"
    assert {"mean", "sub", "last"} <= set(norm.apart)


def test_a_pair_inside_a_group_breaks_it() -> None:
    body = (
        ERF.format(x="x", y="y")
        .replace("Mul(m, half)", "Mul(k, half)")
        .replace("[g]", "i = QuantizeLinear(m, t, v) k = DequantizeLinear(i, t, v) [g]")
    )
    (found,) = lost(body, ERF.format(x="x", y="y"))
    assert (found.kernel, found.apart) == ("Gelu", ("d", "e", "a", "m", "g"))


def test_what_still_runs_as_one_kernel_is_not_lost() -> None:
    assert lost(ERF.format(x="x", y="g") + " i = QuantizeLinear(g, t, v) y = DequantizeLinear(i, t, v)", ERF.format(x="x", y="y")) == ()


def test_an_add_that_edgeq_wrote_as_a_sum_is_not_lost() -> None:
    body = "[a] a = {}(x, r) [n] y = LayerNormalization(a, gain, shift)"
    assert lost(body.format("Sum"), body.format("Add"), "float[1, 6, 8] x, float[1, 6, 8] r") == ()


def test_a_fusion_given_up_for_an_integer_layer_is_not_lost() -> None:
    model = net(
        "[c] c = Conv<pads = [1, 1, 1, 1]>(x, w) [t] t = Tanh(c) [k] y = Conv<pads = [1, 1, 1, 1]>(t, w)",
        constants={"w": weights(8, 8, 3, 3)},
    )
    made = quantize(model, {"x": np.random.default_rng(1).normal(size=(16, 8, 16, 16)).astype(np.float32)}, prove=False)
    assert prove_placement(made.model, model).lost == ()


@pytest.mark.parametrize("text", [ERF, NORM])
def test_edgeq_loses_none(text: str) -> None:
    """The group stands behind a convolution of one axis, whose output is quantized."""
    body = f"c = Conv<pads = [1, 1]>(x, w) p = Transpose<perm = [0, 2, 1]>(c) {text.format(x='p', y='h')} y = MatMul(h, u)"
    own = {"w": weights(64, 64, 3), "u": weights(64, 64, seed=2), "gain": weights(64), "shift": weights(64, seed=1)}
    model = net(body, inputs="float[N, 64, 100] x", constants={**C, **own}, opset=13)
    made = quantize(model, {"x": np.random.default_rng(1).normal(size=(24, 64, 100)).astype(np.float32)}, recipe=Recipe(effort="fast"))
    assert made.report.placement is not None
    assert made.report.placement.lost == ()
    assert not [one for one in made.report.findings if one.kind == "lost_fusion"]
    assert made.report.placement.macs_int8_pct == 100


def test_one_finding_tells_of_all_that_one_kernel_did() -> None:
    some = [
        LostFusion("Gelu", ("a", "b"), ("a", "b")),
        LostFusion("BiasGelu", ("c", "d", "e"), ("d", "e")),
        LostFusion("Gelu", ("f", "g"), ("f", "g")),
    ]
    found = fusions_lost(some)
    assert [(said.kind, said.nodes, said.output) for said in found] == [
        ("lost_fusion", ("a", "b", "f", "g"), None),
        ("lost_fusion", ("d", "e"), None),
    ]
    assert "as one Gelu, 2 times" in found[0].text
    assert found[1].text.endswith("node by node, which takes longer: d, e.")
