"""UnitAxis: lines of windows work on planes of height 1, and compute the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgeq.passes.lower.unit_axis import UnitAxis
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ort import open_session
from tests.graph_text import net, weights


@dataclass(frozen=True)
class Case:
    """operators: types after the pass."""

    name: str
    body: str
    operators: str


# fmt: off
CONSTANTS = {"w": weights(4, 4, 3), "v": weights(4, 6, 3), "d": weights(4, 1, 5), "b": weights(4), "k": weights(4, 1), "line": weights(12),
             "more": weights(2, 1, 4, 12)}
CASES = (
    Case("a chain", "c = Conv<pads = [1, 1]>(x, w, b)  r = Relu(c)  p = MaxPool<kernel_shape = [2], strides = [2]>(r)  y = Conv(p, w)",
         "Unsqueeze Conv Relu MaxPool Conv Squeeze"),
    Case("depthwise, dilated", "y = Conv<group = 4, dilations = [2], pads = [3, 1]>(x, d)", "Unsqueeze Conv Squeeze"),
    Case("padding by a word", 'y = Conv<strides = [2], auto_pad = "SAME_UPPER">(x, w)', "Unsqueeze Conv Squeeze"),
    Case("transposed", "y = ConvTranspose<strides = [2], pads = [1, 0], output_padding = [1]>(x, v)", "Unsqueeze ConvTranspose Squeeze"),
    Case("constants", "c = Conv<pads = [1, 1]>(x, w)  a = Add(c, k)  m = Mul(line, a)  y = Conv(m, w)",
         "Unsqueeze Conv Add Mul Conv Squeeze"),
    Case("a residual", "c = Conv<pads = [1, 1]>(x, w)  e = Conv<pads = [1, 1]>(c, w)  s = Add(c, e)  t = Concat<axis = 1>(s, c)  "
         "y = Sigmoid(t)",
         "Unsqueeze Conv Conv Add Concat Sigmoid Squeeze"),
    Case("joined with what has no unit axis", "c = Conv<pads = [1, 1]>(x, w)  y = Add(c, x)", "Unsqueeze Conv Squeeze Add"),
    Case("to the end", "c = Conv(x, w)  p = AveragePool<kernel_shape = [3], strides = [2], pads = [1, 1]>(c)  g = GlobalAveragePool(p)  "
         "y = Flatten(g)", "Unsqueeze Conv AveragePool GlobalAveragePool Squeeze Flatten"),
    Case("Softmax along the line stays", "c = Conv(x, w)  y = Softmax<axis = 2>(c)", "Unsqueeze Conv Squeeze Softmax"),
    Case("a constant of more axes", "c = Conv<pads = [1, 1]>(x, w)  y = Add(c, more)", "Unsqueeze Conv Squeeze Add"),
    Case("a constant of more axes first", "c = MaxPool<kernel_shape = [3], pads = [1, 1]>(x)  y = Max(more, c)",
         "Unsqueeze MaxPool Squeeze Max"),
    Case("nothing to do", "r = Relu(x)  y = Softmax(r)", "Relu Softmax"),
)
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_computes_the_same(case: Case) -> None:
    used = {
        name: array for name, array in CONSTANTS.items() if name in case.body.replace("(", " ").replace(",", " ").replace(")", " ").split()
    }
    model = net(case.body, inputs="float[2, 4, 12] x", constants=used)
    x = weights(2, 4, 12, seed=5)
    with open_session(model, optimize="off") as session:
        (wanted,) = session.run({"x": x})
    UnitAxis()(model)
    assert " ".join(node.op_type for node in model.graph) == case.operators
    InferShapes()(model)
    with open_session(model, optimize="off") as session:
        (found,) = session.run({"x": x})
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert [value.name for value in model.graph.outputs] == ["y"]


def test_a_shared_weight_keeps_its_shape_for_the_other_reader() -> None:
    model = net(
        "c = Conv<pads = [1, 1]>(x, w)  s = ReduceSum(w)  y = Mul(c, s)", inputs="float[2, 4, 12] x", constants={"w": weights(4, 4, 3)}
    )
    UnitAxis()(model)
    assert model.graph.initializers["w"].shape == [4, 4, 3]
