"""Reading a graph: bounds of clips, constants, consumers, sizes, and every node with its bodies."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import clip_bounds, constant, dim, file_bytes, nodes, only_consumer, scalar, values, window_axes
from edgeq.numerics.arrays import AnyArray
from tests.graph_text import net

INF = float("inf")


def named(model: ir.Model, name: str) -> ir.Node:
    return next(node for node in nodes(model) if node.name == name)


@pytest.mark.parametrize(
    ("node", "bounds"),
    [
        ("y = Relu(x)", (0.0, INF)),
        ("y = Clip(x)", (-INF, INF)),
        ("y = Clip(x, zero, six)", (0.0, 6.0)),
        ("y = Clip(x, minus, six)", (-2.0, 6.0)),
        ("y = Clip(x, minus, zero)", (-2.0, 0.0)),
        ('y = Clip(x, "", zero)', (-INF, 0.0)),
        ("y = Clip(x, zero)", (0.0, INF)),
        ("y = Clip(x, zero, zero)", (0.0, 0.0)),
        ("y = Clip(x, one, six)", (1.0, 6.0)),
        ("y = Clip(x, low, minus)", (-4.0, -2.0)),
        ("y = Clip(x, six, one)", None),
        ("y = Clip(x, zero, h)", None),
    ],
)
def test_bounds_of_a_clip_are_in_order(node: str, bounds: tuple[float, float] | None) -> None:
    numbers = {"zero": 0.0, "six": 6.0, "one": 1.0, "minus": -2.0, "low": -4.0}
    model = net(f"[c] {node}", inputs="float[2] x, float h", constants=numbers)
    assert clip_bounds(named(model, "c")) == bounds


def test_bounds_of_old_clips_are_attributes() -> None:
    def bounds(attributes: str) -> tuple[float, float] | None:
        return clip_bounds(named(net(f"[c] y = Clip{attributes}(x)", inputs="float[2] x", opset=9), "c"))

    assert bounds("<min = -3.0, max = 0.0>") == (-3.0, 0.0)
    assert bounds("<max = 6.0>") == (-INF, 6.0)
    assert bounds("<min = 1.0, max = 6.0>") == (1.0, 6.0)
    assert bounds("<min = 6.0, max = 1.0>") is None


def test_a_constant_is_an_initializer_or_a_constant_node_and_no_input() -> None:
    model = net(
        "[k] k = Constant<value = float[2] {1.0, 2.0}>() [a] a = Add(x, k) [b] y = Add(a, w)", inputs="float[2] x", constants={"w": 3.0}
    )
    a, b = named(model, "a"), named(model, "b")
    found = [constant(value) for value in (a.inputs[0], a.inputs[1], b.inputs[0], b.inputs[1], None)]
    assert [None if array is None else np.asarray(array).tolist() for array in found] == [None, [1.0, 2.0], None, 3.0, None]
    model.graph.inputs.append(model.graph.initializers["w"])  # a caller may then give another
    assert constant(b.inputs[1]) is None


def test_the_only_consumer_is_the_one_use_of_a_value_that_is_no_output() -> None:
    model = net("[a] a = Relu(x) [b] b = Mul(a, a) [c] c = Relu(b) [d] y = Neg(c)", inputs="float[2] x", outputs="float y, float c")
    consumers = [only_consumer(named(model, name).outputs[0]) for name in "abc"]
    assert [None if node is None else node.name for node in consumers] == [None, "c", None]


def test_sizes_are_known_numbers_inside_the_rank() -> None:
    model = net("[p] y = MaxPool<kernel_shape = [2, 2]>(x)", inputs="float[N, 3, 8, 6] x")
    x = model.graph.inputs[0]
    assert [dim(x, axis) for axis in (0, 1, -1, -4, 4, -5)] == [None, 3, 6, None, None, None]
    assert (dim(None, 0), window_axes(named(model, "p"))) == (None, 2)


def test_bodies_are_walked_after_their_node() -> None:
    body = """[if] y = If (c) <then_branch = t () => (float[2] tv) { [t] tv = Relu(x) },
                               else_branch = e () => (float[2] ev) { [e] ev = Neg(x) }> [last] z = Abs(y)"""
    model = net(body, inputs="float[2] x, bool c", outputs="float[2] z")
    assert [node.name for node in nodes(model)] == ["if", "t", "e", "last"]
    assert sorted(str(value.name) for value in values(model)) == ["c", "ev", "tv", "x", "y", "z"]


@pytest.mark.parametrize(
    ("array", "number"),
    [
        (np.array(2.5, np.float32), 2.5),
        (np.array([2.5], np.float32), 2.5),
        (np.array([7]), 7.0),
        (np.array([[2.5]], np.float32), None),  # it may add an axis to what it is combined with
        (np.array([2.5, 2.5], np.float32), None),
        (np.zeros(0, np.float32), None),
    ],
)
def test_scalar_is_one_number_of_rank_0_or_1(array: AnyArray, number: float | None) -> None:
    assert scalar(ir.Value(name="c", const_value=ir.tensor(array))) == number


def test_text_what_is_computed_and_what_can_be_overridden_is_no_scalar() -> None:
    model = net("y = Relu(x)", inputs="float[1] x", outputs="float[1] y")
    text = ir.Value(name="t", const_value=ir.StringTensor([b"1"], shape=ir.Shape([1])))
    assert [scalar(value) for value in (None, text, model.graph.inputs[0], model.graph.outputs[0])] == [None] * 4


@pytest.mark.parametrize("bound", [np.float32(6), np.array([6], np.float32)])
def test_bounds_of_a_clip_of_shape_1(bound: AnyArray) -> None:
    model = net("y = Clip(x, low, high)", constants={"low": np.zeros(1, np.float32), "high": bound})
    assert clip_bounds(model.graph.node(0)) == (0.0, 6.0)


def test_bytes_of_text_and_of_numbers_in_a_file() -> None:
    tensors = [None, ir.tensor(np.zeros((2, 3), np.float32)), ir.StringTensor([b"cat", b"horse"], shape=ir.Shape([2]))]
    assert [file_bytes(tensor) for tensor in tensors] == [0, 24, 8]
