"""Values that only Softmax reads: which they are, and at which end their numbers are alike."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.graph.patterns.softmax_readers import End, far_ends, reaches_softmax, softmax_axis, softmax_inputs
from edgeq.graph.read import values
from tests.graph_text import net

CONSTANTS = {"half": 0.5, "minus": -1e4, "both": np.array([-1.0, 1.0, 1.0], np.float32), "at": np.array([3, 2, 4]), "low": 0.0}


def end_of(body: str, name: str = "x", inputs: str = "float[2, 3, 4] x, float[2, 3, 4] s") -> End:
    used = {key: array for key, array in CONSTANTS.items() if key in body}
    graph = net(body, inputs=inputs, constants=used).graph
    return next(end for value, end in far_ends(graph).items() if value.name == name)


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("y = Softmax(x)", -1),
        ("a = Add(x, s) y = Softmax(a)", -1),
        ("a = Add(s, x) b = Reshape(a, at) y = Softmax(b)", -1),
        ("a = Sub(x, s) y = Softmax(a)", -1),
        ("a = Sub(s, x) y = Softmax(a)", 1),
        ("a = Mul(x, half) y = Softmax(a)", -1),
        ("a = Mul(x, minus) b = Sub(a, s) y = Softmax(b)", 1),
        ("a = Div(x, minus) b = Sub(s, a) y = Softmax(b)", -1),
        ("a = Neg(x) y = Softmax(a)", 1),
        ("a = Sub(x, s) b = Softmax(a) c = Neg(x) d = Neg(c) e = Softmax(d) y = Add(b, e)", -1),
        ("a, b = Split<axis = 0, num_outputs = 2>(x) c = Softmax(a) d = Softmax(b) y = Add(c, d)", -1),
        ("a = Clip(x, low) y = Softmax(a)", -1),
    ],
)
def test_numbers_are_alike_at_the_end_that_softmax_makes_0(body: str, end: End) -> None:
    opset_17 = body.replace(", num_outputs = 2", "")
    assert end_of(opset_17) == end


@pytest.mark.parametrize(
    ("body", "name", "reached"),
    [
        ("a = Add(s, x) y = Softmax(a)", "x", True),
        ("a = Mul(x, s) b = Transpose(a) c = Neg(b) y = Softmax(c)", "x", True),
        ("a = Add(s, x) y = Softmax(a)", "a", True),
        ("a = Relu(s) b = Add(a, x) c = Softmax(b) y = Mul(a, c)", "a", True),
        ("a = MatMul(x, s) y = Softmax(a)", "x", False),
        ("a = MatMul(x, s) y = Softmax(a)", "a", False),
        ("a = Add(s, x) y = Sigmoid(a)", "x", False),
    ],
)
def test_large_numbers_on_the_way_to_a_softmax_are_taken_for_a_mask(body: str, name: str, reached: bool) -> None:
    model = net(body, inputs="float[4, 4] x, float[4, 4] s")
    assert reaches_softmax(next(value for value in values(model) if value.name == name)) is reached


@pytest.mark.parametrize(
    "body",
    [
        "y = LogSoftmax(x)",
        "a = Sub(x, s) b = Sub(s, x) c = Softmax(a) d = Softmax(b) y = Add(c, d)",
        "a = Softmax(x) y = Add(a, x)",
        "a = Mul(x, s) y = Softmax(a)",
        "a = Div(s, x) y = Softmax(a)",
        "a = Exp(x) y = Softmax(a)",
        "a, i = TopK<axis = -1>(x, two) b = Softmax(a) c = Cast<to = 1>(i) y = Add(b, c)",
        "y = Identity(x)",
    ],
)
def test_other_readers_see_every_number(body: str) -> None:
    """The output of LogSoftmax has no floor; a difference may be read at either end."""
    model = net(body, inputs="float[2, 3, 4] x, float[2, 3, 4] s", constants={"two": np.array([2])} if "two" in body else {})
    assert far_ends(model.graph)[model.graph.inputs[0]] == 0


def test_a_factor_of_both_signs_has_no_end() -> None:
    assert end_of("a = Mul(x, both) y = Softmax(a)", inputs="float[2, 3] x, float[2, 3] s") == 0


def test_a_value_is_what_softmax_reads_however_it_is_moved() -> None:
    body = """a = Transpose<perm = [0, 2, 1]>(x) b, c = Split<axis = 1>(a) d = Reshape(b, at) e = Softmax(d) f = Softmax<axis = 1>(c)
        g = Reshape(f, at) y = Add(e, g)"""
    model = net(body, inputs="float[2, 3, 4] x", constants={"at": np.array([2, 6])})
    found = {str(value.name): value for value in values(model)}
    assert softmax_inputs(found["x"]) == ("d", "c")
    assert (softmax_axis(found["d"]), softmax_axis(found["c"]), softmax_axis(found["x"])) == (-1, 1, None)


@pytest.mark.parametrize("body", ["a = Relu(x) y = Softmax(a)", "a = Softmax(x) b = Exp(x) y = Add(a, b)", "y = Exp(x)"])
def test_a_value_that_something_else_reads_is_not(body: str) -> None:
    assert softmax_inputs(net(body, inputs="float[2, 3] x").graph.inputs[0]) == ()


def test_softmax_along_two_axes_is_no_common_row() -> None:
    model = net("a = Softmax<axis = 0>(x) b = Softmax<axis = 1>(x) y = Add(a, b)", inputs="float[2, 3] x")
    assert softmax_axis(model.graph.inputs[0]) is None
