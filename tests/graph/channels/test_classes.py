"""Channel classes: which channels go together, which must stay, and that scaling the others changes
nothing that comes out.
"""

from __future__ import annotations

import re

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.channels.classes import channel_classes
from edgeq.graph.find_layer import scalable_layer
from edgeq.graph.read import nodes
from edgeq.numerics.arrays import F32
from edgeq.passes.quantize.equalize import Equalize
from edgeq.runtimes.ort import open_session
from edgeq.schema.scaling import factors_of
from tests.graph_text import Constants, net, weights

W: Constants = {
    "w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3, seed=1), "d": weights(8, 1, 3, 3, seed=2), "g": weights(8, 4, 3, 3, seed=3),
    "b": weights(8, seed=4), "u": weights(8, 16, 1, 1, seed=5), "t": weights(8, 4, 2, 2, seed=6), "f": weights(2048, 5, seed=7),
    "h": weights(5, 8, seed=8), "s": np.abs(weights(8, 1, 1, seed=9)), "zero": 0.0, "high": 1e6,
    "zero1": np.zeros(1), "high1": np.array([1e6]),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "wide": np.array([0, 4, 0, 0, 0, 4, 0, 0]), "axes": np.array([2, 3]),
    "starts": np.array([0, 0]), "ends": np.array([14, 14]), "steps": np.array([2, 2]), "scales": np.array([1, 1, 2, 2], np.float32),
}  # fmt: skip
C = "Conv<pads = [1, 1, 1, 1]>"
#: networks whose channels behind the first layer can all be scaled
FREE = {
    "relu": f"a = {C}(x, w, b) r = Relu(a) y = {C}(r, v)",
    "no activation, no bias": f"a = {C}(x, w) y = {C}(a, v, b)",
    "depthwise": f"a = {C}(x, w, b) r = Relu(a) c = Conv<pads = [1, 1, 1, 1], group = 8>(r, d, c8) e = Relu(c) y = {C}(e, v)",
    "groups": f"a = {C}(x, w, b) r = Relu(a) c = Conv<pads = [1, 1, 1, 1], group = 2>(r, g, c8) y = {C}(c, v)",
    "leaky": f"a = {C}(x, w, b) r = LeakyRelu(a) y = {C}(r, v)",
    "prelu": f"a = {C}(x, w, b) r = PRelu(a, s) y = {C}(r, v)",
    "clip": f"a = {C}(x, w, b) r = Clip(a, zero, high) y = {C}(r, v)",
    "add": f"a = {C}(x, w, b) r = Relu(a) c = {C}(r, v) z = Add(c, r) q = Relu(z) y = {C}(q, k)",
    "clip at one of shape 1": f"a = {C}(x, w, b) r = Clip(a, zero1, high1) y = {C}(r, v)",
    "pad with a zero of shape 1": f"a = {C}(x, w, b) r = Relu(a) p = Pad(r, pads, zero1) y = Conv(p, v)",
    "concat of rows": f"a = {C}(x, w, b) c = {C}(x, k) z = Concat<axis = 2>(a, c) y = {C}(z, v)",
    "concat": f"a = {C}(x, w, b) r = Relu(a) c = {C}(r, v) z = Concat<axis = 1>(c, r) y = Conv(z, u)",
    "pools": f"a = {C}(x, w) m = MaxPool<kernel_shape = [2, 2]>(a) p = AveragePool<kernel_shape = [2, 2]>(m) y = {C}(p, v)",
    "global pool and gate": f"a = {C}(x, w) p = GlobalAveragePool(a) i = Conv(p, o) n = Sigmoid(i) z = Mul(a, n) y = {C}(z, v)",
    "pad": f"a = {C}(x, w) p = Pad(a, pads) y = Conv(p, v)",
    "pad of channels": f"a = {C}(x, w) p = Pad(a, wide) y = Conv(p, u)",
    "slice of places": f"a = {C}(x, w) p = Slice(a, starts, ends, axes, steps) y = {C}(p, v)",
    "resize": f"a = {C}(x, w) p = Resize(a, , scales) y = {C}(p, v)",
    "transposed convolution": f"a = {C}(x, w) r = Relu(a) c = ConvTranspose<group = 2>(r, t) y = {C}(c, v)",
    "flatten": f"a = {C}(x, w) r = Relu(a) p = Flatten(r) q = Gemm(p, f) e = Relu(q) y = Gemm(e, h, b)",
}
X = np.random.default_rng(0).normal(size=(2, 8, 16, 16)).astype(np.float32)


def model_of(body: str) -> ir.Model:
    more: Constants = {"k": weights(8, 8, 3, 3, seed=10), "o": weights(8, 8, 1, 1, seed=11), "c8": weights(8, seed=12)}
    return net(body, inputs="float[2, 8, 16, 16] x", constants={k: v for k, v in {**W, **more}.items() if re.search(rf"\b{k}\b", body)})


def random_exponents(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """An exponent for each class, told for the values that layers read and make."""
    classes = channel_classes(model).classes
    drawn = np.append(np.random.default_rng(1).integers(-24, 25, size=4096), 0)
    ends = {str(value.name) for node in nodes(model) if scalable_layer(node) for value in (node.inputs[0], node.outputs[0]) if value}
    return {name: tuple(drawn[ids].tolist()) for name, ids in classes.items() if name in ends}


def run(model: ir.Model) -> F32:
    with open_session(model, optimize="off", threads=1) as session:
        return np.asarray(session.run({"x": X})[0], np.float32)


@pytest.mark.parametrize("name", FREE)
def test_scaling_free_channels_changes_no_output(name: str) -> None:
    """The law of equalization, for random factors from 1/8 to 8."""
    model = model_of(FREE[name])
    assert (channel_classes(model).classes["a"] >= 0).all()
    wanted = run(model)
    assert Equalize(factors_of(random_exponents(model)))(model).modified
    error = run(model).astype(np.float64) - wanted
    assert np.linalg.norm(error) <= 1e-4 * np.linalg.norm(wanted.astype(np.float64))


HELD = {
    "an output": f"a = {C}(x, w) y = Identity(a)",
    "Sigmoid": f"a = {C}(x, w) z = Sigmoid(a) y = {C}(z, v)",
    "HardSwish": f"a = {C}(x, w) z = HardSwish(a) y = {C}(z, v)",
    "a Clip that cuts below 0": f"a = {C}(x, w) z = Clip(a, low, high) y = {C}(z, v)",
    "a square": f"a = {C}(x, w) z = Mul(a, a) y = {C}(z, v)",
    "an Add with the input": f"a = {C}(x, w) z = Add(a, x) y = {C}(z, v)",
    "a shared weight": f"a = {C}(x, w) y = {C}(a, w)",
    "a mean over channels": f"a = {C}(x, w) z = ReduceMean<axes = [1]>(a) y = Exp(z)",
    "padding with ones": f"a = {C}(x, w) z = Pad(a, pads, one) y = Conv(z, v)",
    "padding with a one of shape 1": f"a = {C}(x, w) z = Pad(a, pads, one1) y = Conv(z, v)",
    "a Clip that cuts below 0 of shape 1": f"a = {C}(x, w) z = Clip(a, low1, high1) y = {C}(z, v)",
    "rows of a constant behind": f"a = {C}(x, w) z = Concat<axis = 2>(a, rows) y = {C}(z, v)",
    "columns of a constant in front": f"a = {C}(x, w) z = Concat<axis = -1>(cols, a) y = {C}(z, v)",
}


@pytest.mark.parametrize("name", HELD)
def test_what_scaling_would_change_is_held(name: str) -> None:
    body = HELD[name]
    wanted = {**W, "low": -1.0, "one": 1.0, "low1": np.array([-1.0]), "one1": np.array([1.0])}
    wanted |= {"rows": weights(2, 8, 3, 16), "cols": weights(2, 8, 16, 2)}
    model = net(body, inputs="float[2, 8, 16, 16] x", constants={k: v for k, v in wanted.items() if re.search(rf"\b{k}\b", body)})
    assert (channel_classes(model).classes.get("a", np.array([-1])) == -1).all()


def test_added_values_are_one_class_a_channel() -> None:
    classes = channel_classes(model_of(FREE["add"])).classes
    assert classes["a"].tolist() == classes["c"].tolist() == classes["q"].tolist()


def test_concatenated_channels_keep_their_classes() -> None:
    classes = channel_classes(model_of(FREE["concat"])).classes
    assert classes["z"].tolist() == [*classes["c"].tolist(), *classes["r"].tolist()]


def test_each_channel_becomes_as_many_features_as_it_has_places() -> None:
    classes = channel_classes(model_of(FREE["flatten"])).classes
    assert classes["p"].tolist() == np.repeat(classes["r"], 256).tolist()


def test_values_that_a_body_reads_are_held() -> None:
    model = net(
        f"""a = {C}(x, w) y = If (c) < then_branch = t () => (float[2, 8, 16, 16] tv) {{ tv = {C}(a, v) }},
        else_branch = e () => (float[2, 8, 16, 16] ev) {{ ev = Relu(a) }}>""",
        inputs="float[2, 8, 16, 16] x, bool c", outputs="float[2, 8, 16, 16] y", constants={"w": W["w"], "v": W["v"]},
    )  # fmt: skip
    assert (channel_classes(model).classes["a"] == -1).all()
