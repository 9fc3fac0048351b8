"""FuseGelu: every order of the products, none of the look-alikes, only from opset 20 on; the
numbers stay.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.io.load import load_proto
from edgeq.passes.prepare.fuse_gelu import FuseGelu
from edgeq.rewrite.prepare import prepare
from edgeq.runtimes.ort import open_session
from tests.graph_text import Constants, lines, net

NUMBERS: Constants = {"k": 0.044715, "c": 0.7978845608, "one": 1.0, "half": 0.5, "three": 3.0}
#: orders in which exporters write it
FORMS = {
    "powers by products": "u = Mul(x, x) v = Mul(x, u) m = Mul(k, v) a = Add(x, m) b = Mul(c, a) t = Tanh(b) p = Add(one, t) "
    "q = Mul(x, p) y = Mul(half, q)",
    "Pow": "u = Pow(x, three) m = Mul(u, k) a = Add(m, x) b = Mul(a, c) t = Tanh(b) p = Add(t, one) h = Mul(half, x) y = Mul(h, p)",
    "factored": "d = Mul(x, c) u = Mul(x, x) m = Mul(u, k) n = Add(m, one) b = Mul(d, n) t = Tanh(b) p = Add(t, one) q = Mul(p, half) "
    "y = Mul(q, x)",
}
LOOK_ALIKES = {
    "another factor": FORMS["Pow"].replace("Mul(u, k)", "Mul(u, half)"),
    "no half": FORMS["Pow"].replace("h = Mul(half, x) y = Mul(h, p)", "y = Mul(x, p)"),
    "another value": FORMS["Pow"].replace("Mul(half, x)", "Mul(half, r)"),
    "tanh alone": "t = Tanh(x) y = Mul(t, half)",
}


def model_of(body: str, opset: int = 20) -> ir.Model:
    return net(body, inputs="float[2, 5] x, float[2, 5] r", constants=NUMBERS, opset=opset)


@pytest.mark.parametrize("form", FORMS)
def test_one_node_with_the_same_numbers(form: str) -> None:
    model = model_of(FORMS[form])
    feeds = {name: np.linspace(-6, 6, 10, dtype=np.float32).reshape(2, 5) for name in ("x", "r")}
    wanted = open_session(model, optimize="off").run(feeds)[0]
    assert FuseGelu()(model).modified
    assert lines(model) == ["y = Gelu(x)"]
    np.testing.assert_allclose(open_session(model, optimize="off").run(feeds)[0], wanted, rtol=1e-5, atol=1e-6)
    assert not FuseGelu()(model).modified


@pytest.mark.parametrize("form", LOOK_ALIKES)
def test_leaves_look_alikes(form: str) -> None:
    assert not FuseGelu()(model_of(LOOK_ALIKES[form])).modified


def test_what_others_read_stays() -> None:
    model = net(FORMS["Pow"] + " z = Erf(u)", inputs="float[2, 5] x", outputs="float y, float z", constants=NUMBERS, opset=20)
    assert FuseGelu()(model).modified
    assert lines(model) == ["u = Pow(x, three)", "y = Gelu(x)", "z = Erf(u)"]


def test_waits_for_opset_20_which_prepare_brings() -> None:
    assert not FuseGelu()(model_of(FORMS["Pow"], opset=17)).modified
    source = load_proto(ir.to_proto(model_of(FORMS["Pow"], opset=17))).model
    done = prepare(source).model
    assert (done.opset_imports[""], lines(done)) == (20, ["y = Gelu(x)"])
    assert prepare(source, opset=17).model.opset_imports[""] == 17
