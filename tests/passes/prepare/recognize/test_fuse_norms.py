"""FuseNorms: normalizations in every order become their operators, look-alikes and old opsets do
not; and their means never become pools.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import nodes
from edgeq.io.load import load_proto
from edgeq.passes.prepare.mean_to_global_pool import MeanToGlobalPool
from edgeq.passes.prepare.recognize.fuse_norms import FuseNorms
from edgeq.rewrite.prepare import prepare
from edgeq.testing import check_pass
from tests.graph_text import Constants, net

CHANCE = np.random.default_rng(0)
SCALE, SHIFT = CHANCE.uniform(0.5, 2, 6).astype(np.float32), CHANCE.normal(size=6).astype(np.float32)
NUMBERS: Constants = {
    "two": 2.0,
    "e": 1e-5,
    "one": 1.0,
    "minus_half": -0.5,
    "half": 0.5,
    "g": SCALE,
    "b": SHIFT,
    "g3": SCALE.reshape(6, 1, 1),
    "b4": SHIFT.reshape(1, 6, 1, 1),
}
MEANS = "m = ReduceMean<axes = [{0}]>(x) d = Sub(x, m) q = {1} v = ReduceMean<axes = [{0}]>(q) a = Add(v, e) s = Sqrt(a) "
#: nodes, shape of x, wanted nodes
FORMS: dict[str, tuple[str, str, list[str]]] = {
    "layer, Pow": (MEANS.format("-1", "Pow(d, two)") + "n = Div(d, s) k = Mul(n, g) y = Add(k, b)", "N, 5, 6", ["LayerNormalization"]),
    "layer, products": (MEANS.format("2", "Mul(d, d)") + "n = Div(d, s) k = Mul(g, n) y = Add(b, k)", "N, 5, 6", ["LayerNormalization"]),
    "layer, scale first": (
        MEANS.format("-1", "Mul(d, d)") + "r = Reciprocal(s) k = Mul(r, g) t = Mul(x, k) u = Mul(m, k) w = Sub(b, u) y = Add(t, w)",
        "N, 5, 6",
        ["LayerNormalization"],
    ),
    "layer, no scale": (MEANS.format("-1", "Mul(d, d)") + "y = Div(d, s)", "N, 5, 6", ["LayerNormalization"]),
    "layer, negative power": (
        "m = ReduceMean<axes = [-1]>(x) n = Neg(m) d = Add(n, x) q = Mul(d, d) v = ReduceMean<axes = [-1]>(q) a = Add(e, v) "
        "r = Pow(a, minus_half) k = Mul(d, r) y = Mul(k, g)",
        "N, 6",
        ["LayerNormalization"],
    ),
    "layer, over channels": (
        MEANS.format("1", "Mul(d, d)") + "n = Div(d, s) k = Mul(n, g3) y = Add(k, b4)",
        "N, 6, 4, 5",
        ["Transpose", "LayerNormalization", "Transpose"],
    ),
    "layer, over two axes": (MEANS.format("1, 2", "Mul(d, d)") + "y = Div(d, s)", "N, 4, 6", ["LayerNormalization"]),
    "instance": (
        MEANS.format("2, 3", "Mul(d, d)") + "n = Div(d, s) k = Mul(n, g3) y = Add(k, b4)",
        "N, 6, H, W",
        ["InstanceNormalization"],
    ),
    "instance, of one axis of any size": (MEANS.format("-1", "Mul(d, d)") + "y = Div(d, s)", "N, 5, L", ["InstanceNormalization"]),
    "group, in five dimensions": (MEANS.format("2, 3, 4", "Mul(d, d)") + "y = Div(d, s)", "N, 2, 3, H, W", ["InstanceNormalization"]),
    "root mean square": (
        "q = Mul(x, x) v = ReduceMean<axes = [-1]>(q) a = Add(v, e) s = Sqrt(a) n = Div(x, s) y = Mul(n, g)",
        "N, 5, 6",
        ["RMSNormalization"],
    ),
    "root mean square, power": (
        "q = Pow(x, two) v = ReduceMean<axes = [-1]>(q) a = Add(e, v) s = Pow(a, half) r = Div(one, s) n = Mul(r, x) y = Mul(g, n)",
        "N, 5, 6",
        ["RMSNormalization"],
    ),
}
LOOK_ALIKES = {
    "another mean": (MEANS.format("-1", "Mul(x, x)") + "y = Div(d, s)", "N, 5, 6"),
    "no root": (MEANS.format("-1", "Mul(d, d)") + "y = Div(d, a)", "N, 5, 6"),
    "unknown sizes": (MEANS.format("-1", "Mul(d, d)") + "y = Div(d, s)", "N, M, L"),
    "two orders": (MEANS.format("-1", "Mul(d, d)") + "w = ReduceMean<axes = [1]>(d) n = Div(w, s) y = Mul(n, d)", "N, 5, 6"),
    "of a sum": ("t = ReduceMean<axes = [-1]>(x) y = Sub(x, t)", "N, 5, 6"),
}


def model_of(body: str, shape: str, opset: int) -> ir.Model:
    model = net(body, inputs=f"float[{shape}] x", constants=NUMBERS, opset=17)
    model.graph.opset_imports[""] = opset
    if opset >= 18:  # the axes are an input
        for node in list(nodes(model)):
            if node.op_type == "ReduceMean":
                axes = ir.tensor(np.array(node.attributes.pop("axes").as_ints()), name=f"{node.name}_axes")
                value = ir.Value(name=axes.name, const_value=axes, type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape(axes.shape))
                model.graph.register_initializer(value)
                node.resize_inputs(2)
                node.replace_input_with(1, value)
    return model


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("opset", [17, 23])
def test_every_form(form: str, opset: int) -> None:
    body, shape, wanted = FORMS[form]
    after = check_pass(FuseNorms(), model_of(body, shape, opset))
    missing = opset < 23 and wanted == ["RMSNormalization"]
    assert missing or [node.op_type for node in after.graph] == wanted


@pytest.mark.parametrize("form", LOOK_ALIKES)
def test_leaves_look_alikes(form: str) -> None:
    body, shape = LOOK_ALIKES[form]
    assert not FuseNorms()(model_of(body, shape, 17)).modified


def test_nothing_is_computed_twice() -> None:
    body = MEANS.format("-1", "Mul(d, d)") + "y = Div(d, s)"
    model = net(body, inputs="float[N, 5, 6] x", outputs="float y, float s", constants=NUMBERS)
    assert not FuseNorms()(model).modified


@pytest.mark.parametrize(("highest", "wanted", "opset"), [(21, ["LayerNormalization"], 17), (16, ["ReduceMean"], 13)])
def test_prepare_raises_the_opset_where_it_may(highest: int, wanted: list[str], opset: int) -> None:
    body, shape, _ = FORMS["layer, Pow"]
    proto = ir.to_proto(net(body, inputs=f"float[{shape}] x", constants=NUMBERS, opset=13))
    done = prepare(load_proto(proto).model, max_opset=highest).model
    assert [node.op_type for node in done.graph][:1] == wanted
    assert done.opset_imports[""] == opset


@pytest.mark.parametrize("square", ["Mul(d, d)", "Pow(d, two)"])
@pytest.mark.parametrize("mean", ["d = Sub(x, m)", "n = Neg(m) d = Add(n, x)"])
def test_means_of_normalizations_are_no_pools(square: str, mean: str) -> None:
    body = f"m = ReduceMean<axes = [2]>(x) {mean} q = {square} v = ReduceMean<axes = [2]>(q) a = Add(v, e) s = Sqrt(a) y = Div(d, s)"
    assert not MeanToGlobalPool()(model_of(body, "N, 5, 6", 17)).modified


def test_a_mean_that_gates_is_a_pool() -> None:
    model = model_of("m = ReduceMean<axes = [2]>(x) s = Sigmoid(m) y = Mul(x, s)", "N, 5, 6", 17)
    assert MeanToGlobalPool()(model).modified
