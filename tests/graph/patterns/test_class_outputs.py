"""Which outputs are scores of classes: an arg-max of anything else is no top-1."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.api import compare, quantize
from edgeq.graph.patterns.class_outputs import class_outputs
from edgeq.numerics.output_fidelity import Classes
from edgeq.proof.compare import Comparison, OutputFidelity, check_floors
from edgeq.report.figures import fidelity_text
from edgeq.report.headline import fidelity_of
from edgeq.schema.recipe import Floors, Recipe
from tests.graph_text import Constants, net, weights

W: Constants = {"w": weights(8, 8), "v": weights(8, 8, seed=1), "b": weights(8), "k": weights(8, 8, 3, 3), "two": 2.0}
ROWS = {"x": np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)}


def classes(body: str, outputs: str = "float y", inputs: str = "float[N, 8] x", *, labelled: bool = False) -> dict[str, Classes]:
    used = {name: value for name, value in W.items() if name in body.replace(",", " ").replace(")", " ").replace("(", " ").split()}
    return class_outputs(net(body, inputs=inputs, outputs=outputs, constants=used), labelled=labelled)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("h = MatMul(x, w) y = Softmax(h)", "softmax"),
        ("h = MatMul(x, w) l = LogSoftmax(h) y = Identity(l)", "softmax"),
        ("h = MatMul(x, w) l = Softmax(h) c = Cast<to = 11>(l) y = Cast<to = 1>(c)", "softmax"),
        ("h = Relu(x) m = MatMul(h, v) y = MatMul(m, w)", None),  # a reconstruction: in the shape of the input
        ("h = Tanh(x) y = Sigmoid(h)", None),  # each answers for itself
        ("h = MatMul(x, w) n = LpNormalization<p = 2>(h) y = Identity(n)", None),  # an embedding
        ("h = MatMul(x, w) y = Relu(h)", None),  # features
        ("h = Sin(x) y = Mul(h, two)", None),
    ],
)
def test_rows_of_one_output(body: str, found: Classes | None) -> None:
    assert classes(body).get("y") == found
    assert classes(body, labelled=True) == {"y": "labels"}  # the user knows


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ("h = MatMul(x, w) y = Add(h, b)", "float[N, 3, 8] x"),
        ("c = Conv(x, k) p = GlobalAveragePool(c) y = Flatten(p)", "float[N, 8, 9, 9] x"),
        ("q = Flatten(x) h = Gemm<transB = 1>(q, w, b) y = Mul(h, two)", "float[N, 2, 2, 2] x"),
    ],
)
def test_the_sums_of_a_last_layer_may_be_classes(body: str, inputs: str) -> None:
    if inputs.startswith("float[N, 3, 8]"):
        assert classes(body, inputs=inputs) == {}  # the shape of the input
    else:
        assert classes(body, inputs=inputs) == {"y": "logits"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("h = Relu(x) m = MatMul(h, w) s = Softmax(m) c = MatMul(h, v)", {"s": "softmax"}),  # scores, and boxes
        ("h = Relu(x) s = MatMul(h, w) c = MatMul(h, v)", {}),  # which of the two, the graph does not tell
    ],
)
def test_of_several_outputs_a_softmax_tells_the_classes(body: str, found: dict[str, Classes]) -> None:
    assert classes(body, "float s, float c") == found


def told(*outputs: OutputFidelity) -> str:
    return fidelity_text(fidelity_of(Comparison(outputs, 16, None))).plain


def test_the_words_say_no_more_than_is_known() -> None:
    def one(kind: Classes | None) -> OutputFidelity:
        return OutputFidelity("y", 30.0, 0.9, 0.1, 0.5 if kind else None, classes=kind, same_arg_max=0.5)

    assert "same top-1 50.00 %" in told(one("softmax"))
    assert "same top-1 50.00 %" in told(one("labels"))
    assert "same arg-max 50.00 %" in told(one("logits"))
    assert "same" not in told(one(None))


def test_a_run_says_top_1_of_a_softmax_and_nothing_of_boxes() -> None:
    body = "h = MatMul(x, w) r = Relu(h) p = MatMul(r, v) s = Softmax(p) c = MatMul(r, w)"
    model = net(body, inputs="float[N, 8] x", outputs="float s, float c", constants={"w": W["w"], "v": W["v"]})
    made = quantize(model, ROWS, recipe=Recipe(effort="fast"))
    assert made.report.fidelity is not None
    scores, boxes = (next(one for one in made.report.fidelity.outputs if one.name == name) for name in "sc")
    assert (scores.classes, scores.top1_agreement) == ("softmax", scores.same_arg_max)
    assert (boxes.classes, boxes.top1_agreement) == (None, None)
    assert boxes.same_arg_max is not None
    assert compare(model, made.model, ROWS).top1_agreement == scores.top1_agreement


def test_a_floor_says_itself_that_rows_are_classes() -> None:
    output = OutputFidelity("y", 30.0, 0.9, 0.1, None, same_arg_max=0.5)
    assert check_floors(Comparison((output,), 16, None), Floors(min_agreement=0.4)) == ()
    assert check_floors(Comparison((output,), 16, None), Floors(min_agreement=0.6)) == ("top-1 agreement 0.5 is below the floor of 0.6",)
    picture = OutputFidelity("y", 30.0, 0.9, 0.1, None)
    assert "could not be measured" in check_floors(Comparison((picture,), 16, None), Floors(min_agreement=0.4))[0]
