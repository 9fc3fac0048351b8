"""FuseFunctions: GELU, HardSwish and other functions in every order, none of the look-alikes, and
only from the opset on that has the operator; the numbers stay.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.passes.prepare.recognize.fuse_functions import FuseFunctions
from edgeq.rewrite.prepare import prepare
from edgeq.runtimes.ort import open_session
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import Constants, lines, net

NUMBERS: Constants = {
    "k": 0.044715,
    "c": 0.7978845608,
    "one": 1.0,
    "ones": np.ones((1, 1), np.float32),
    "half": 0.5,
    "two": 2.0,
    "three": 3.0,
    "six": 6.0,
    "sixth": 1 / 6,
    "zero": 0.0,
    "zeros": np.zeros((2, 5), np.float32),
    "root2": 2**0.5,
    "root_half": np.array([0.5**0.5], np.float32),
    "slope": 0.1,
    "slopes": np.full((1, 5), 0.25, np.float32),
    "low": np.full((1, 1), -0.4, np.float32),
    "small": 1e-6,
    "almost_one": 0.999999,
    "vector": np.arange(5, dtype=np.float32),
}
#: orders in which exporters write GELU
GELU = {
    "powers by products": "u = Mul(x, x) v = Mul(x, u) m = Mul(k, v) a = Add(x, m) b = Mul(c, a) t = Tanh(b) p = Add(one, t) "
    "q = Mul(x, p) y = Mul(half, q)",
    "Pow": "u = Pow(x, three) m = Mul(u, k) a = Add(m, x) b = Mul(a, c) t = Tanh(b) p = Add(t, one) h = Mul(half, x) y = Mul(h, p)",
    "factored": "d = Mul(x, c) u = Mul(x, x) m = Mul(u, k) n = Add(m, one) b = Mul(d, n) t = Tanh(b) p = Add(t, one) q = Mul(p, half) "
    "y = Mul(q, x)",
    "Erf": "d = Div(x, root2) e = Erf(d) p = Add(e, one) q = Mul(x, p) y = Mul(q, half)",
    "Erf, half of x first": "h = Mul(half, x) d = Mul(x, root_half) e = Erf(d) p = Add(ones, e) y = Mul(p, h)",
    "Erf, half inside": "d = Mul(root_half, x) e = Erf(d) s = Mul(e, half) p = Add(half, s) y = Mul(p, x)",
    "Erf, halved by Div": "d = Div(x, root2) e = Erf(d) p = Add(e, one) q = Mul(x, p) y = Div(q, two)",
}
OTHERS = {
    "Swish as a quotient": ("n = Neg(x) e = Exp(n) p = Add(e, one) y = Div(x, p)", ["y_sigmoid = Sigmoid(x)", "y = Mul(y_sigmoid, x)"]),
    "Sigmoid": ("n = Neg(x) e = Exp(n) p = Add(one, e) y = Reciprocal(p)", ["y = Sigmoid(x)"]),
    "Sigmoid by Tanh": ("h = Mul(x, half) t = Tanh(h) p = Add(t, one) y = Mul(p, half)", ["y = Sigmoid(x)"]),
    "Mish": (
        "e = Exp(x) p = Add(e, one) l = Log(p) t = Tanh(l) y = Mul(t, x)",
        ["y_softplus = Softplus(x)", "y_tanh = Tanh(y_softplus)", "y = Mul(y_tanh, x)"],
    ),
    "HardSwish by bounds": ("p = Add(x, three) q = Max(p, zero) v = Min(q, six) s = Mul(v, x) y = Div(s, six)", ["y = HardSwish(x)"]),
    "HardSwish, x divided": ("p = Add(x, three) q = Clip(p, zero, six) s = Div(x, six) y = Mul(s, q)", ["y = HardSwish(x)"]),
    "HardSigmoid": ("p = Add(x, three) q = Clip(p, zero, six) y = Mul(q, sixth)", ["y = HardSigmoid(x)"]),
    "Max with zeros": ("y = Max(x, zeros)", ["y = Relu(x)"]),
    "Where": ("g = Greater(x, zero) y = Where(g, x, zeros)", ["y = Relu(x)"]),
    "LeakyRelu by Max": ("s = Mul(slope, x) y = Max(s, x)", ["y = LeakyRelu(x)"]),
    "LeakyRelu by Where": ("g = Less(x, zero) s = Mul(x, slope) y = Where(g, s, x)", ["y = LeakyRelu(x)"]),
    "LeakyRelu by two Relus": ("a = Relu(x) n = Neg(x) b = Relu(n) s = Mul(b, slope) y = Sub(a, s)", ["y = LeakyRelu(x)"]),
    "PRelu of one slope": ("y = PRelu(x, slopes)", ["y = LeakyRelu(x)"]),
    "one bound": ("y = Max(low, x)", ["y = Clip(x, Max_0_min)"]),
    "two bounds": ("q = Min(six, x) y = Max(q, low)", ["y = Clip(x, Max_1_min, Max_1_max)"]),
    "a chain that ends in one": (
        "q = Mul(x, three) v = Add(q, slope) y = Max(v, zero)",
        ["q = Mul(x, three)", "v = Add(q, slope)", "y = Relu(v)"],
    ),
}
LOOK_ALIKES = {
    "another factor": GELU["Pow"].replace("Mul(u, k)", "Mul(u, half)"),
    "no half": GELU["Pow"].replace("h = Mul(half, x) y = Mul(h, p)", "y = Mul(x, p)"),
    "another value": GELU["Pow"].replace("Mul(half, x)", "Mul(half, r)"),
    "tanh alone": "t = Tanh(x) y = Mul(t, half)",
    "a larger root": GELU["Erf"].replace("Div(x, root2)", "Div(x, three)"),
    "a maximum of two values": "y = Max(x, r)",
    "a minimum with a steeper line": "s = Mul(x, slope) y = Min(s, x)",
    "slopes that differ": "y = PRelu(x, vector)",
    "bounds that differ": "y = Max(x, vector)",
    "a small number added": "y = Add(x, small)",
    "a small number subtracted": "y = Sub(x, small)",
    "a number close to one": "y = Mul(x, almost_one)",
    "a small number added to a Sigmoid": "s = Sigmoid(x) y = Add(s, small)",
    "a small number added to a Relu": "s = Relu(x) y = Add(s, small)",
    "a smooth absolute value": "q = Mul(x, x) p = Add(q, small) y = Sqrt(p)",
    "a rank that grows": "y = Max(short, zeros)",
}


def model_of(body: str, opset: int = 20) -> ir.Model:
    return net(body, inputs="float[2, 5] x, float[2, 5] r, float[5] short", constants=NUMBERS, opset=opset)


@pytest.mark.parametrize("form", GELU)
def test_gelu_is_one_node_with_the_same_numbers(form: str) -> None:
    model = model_of(GELU[form])
    feeds = {name: np.linspace(-6, 6, 10, dtype=np.float32).reshape(2, 5) for name in ("x", "r")} | {"short": np.zeros(5, np.float32)}
    wanted = open_session(model, optimize="off").run(feeds)[0]
    after = check_pass(FuseFunctions(), model, feeds=feeds)
    assert lines(after) == ["y = Gelu(x)"]
    np.testing.assert_allclose(open_session(after, optimize="off").run(feeds)[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", OTHERS)
def test_other_functions(form: str) -> None:
    body, wanted = OTHERS[form]
    model = model_of(body)
    feeds = {name: np.linspace(-8, 8, 10, dtype=np.float32).reshape(2, 5) for name in ("x", "r")} | {"short": np.zeros(5, np.float32)}
    assert lines(check_pass(FuseFunctions(), model, feeds=feeds)) == wanted


@pytest.mark.parametrize("form", LOOK_ALIKES)
def test_leaves_look_alikes(form: str) -> None:
    assert not FuseFunctions()(model_of(LOOK_ALIKES[form])).modified


def test_what_others_read_stays() -> None:
    model = net(GELU["Pow"] + " z = Erf(u)", inputs="float[2, 5] x", outputs="float y, float z", constants=NUMBERS, opset=20)
    assert FuseFunctions()(model).modified
    assert lines(model) == ["u = Pow(x, three)", "y = Gelu(x)", "z = Erf(u)"]


def test_nothing_is_computed_twice() -> None:
    model = net(GELU["Erf"], inputs="float[2, 5] x", outputs="float y, float p", constants=NUMBERS, opset=20)
    assert not FuseFunctions()(model).modified


def test_a_slope_and_bounds_that_a_layer_takes_up_stay() -> None:
    weight = np.eye(5, dtype=np.float32)
    body = "h = Gemm(x, w) p = Mul(h, slope) q = Add(p, half) y = Clip(q, zero, one)"
    model = net(body, inputs="float[2, 5] x", constants={**NUMBERS, "w": weight})
    assert not FuseFunctions()(model).modified


def test_fuses_every_form_of_hardswish() -> None:
    model = named_model("hardswish_forms")
    assert FuseFunctions()(model).modified
    assert lines(model) == ["y = HardSwish(x)", "z = HardSwish(x)", "u = HardSwish(x)"]


def test_leaves_what_is_no_hardswish() -> None:
    model = named_model("hardswish_look_alikes")
    FuseFunctions()(model)
    assert "HardSwish" not in {node.op_type for node in nodes(model)}


def test_an_old_model_is_raised_to_14_for_hardswish() -> None:
    text = """<ir_version: 6, opset_import: ["" : 9]> net (float[N, 2] x) => (float[N, 2] y) <float three = {3.0}, float six = {6.0}> {
        p = Add(x, three)  q = Clip<min = 0.0, max = 6.0>(p)  r = Div(q, six)  y = Mul(x, r) }"""
    done = prepare(load_proto(ir.from_onnx_text(text)).model).model
    assert done.opset_imports[""] == 14
    assert lines(done) == ["y = HardSwish(x)"]


def test_it_is_raised_before_a_layer_takes_up_the_3() -> None:
    body = "h = Gemm(x, w) p = Add(h, three) q = Clip(p, zero, six) s = Mul(h, q) y = Div(s, six)"
    model = net(body, inputs="float[N, 5] x", constants={**NUMBERS, "w": np.eye(5, dtype=np.float32)}, opset=13)
    done = prepare(load_proto(ir.to_proto(model)).model).model
    assert (done.opset_imports[""], lines(done)) == (14, ["h = Gemm(x, w)", "y = HardSwish(h)"])


def test_waits_for_opset_14() -> None:
    model = named_model("hardswish_forms")
    model.graph.opset_imports[""] = 13
    FuseFunctions()(model)
    assert "HardSwish" not in {node.op_type for node in nodes(model)}


@pytest.mark.parametrize("form", ["Pow", "Erf"])
def test_waits_for_opset_20_which_prepare_brings(form: str) -> None:
    assert not FuseFunctions()(model_of(GELU[form], opset=17)).modified
    source = load_proto(ir.to_proto(model_of(GELU[form], opset=17))).model
    done = prepare(source).model
    assert (done.opset_imports[""], lines(done)) == (20, ["y = Gelu(x)"])
    assert prepare(source, opset=17).model.opset_imports[""] == 17


def test_a_gelu_with_transposes_inside_is_found_by_prepare() -> None:
    body = (
        "t = Transpose<perm = [0, 2, 1]>(x) u = Pow(t, three) m = Mul(u, k) w = Transpose<perm = [0, 2, 1]>(m) a = Add(w, x) b = Mul(a, c) "
        "f = Tanh(b) p = Add(f, one) h = Mul(half, x) y = Mul(h, p)"
    )
    model = net(body, inputs="float[2, 5, 3] x", constants=NUMBERS, opset=17)
    assert lines(prepare(load_proto(ir.to_proto(model)).model).model) == ["y = Gelu(x)"]
