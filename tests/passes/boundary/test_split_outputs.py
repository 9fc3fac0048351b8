"""SplitOutputs: parts of outputs become outputs; the movement behind the Concat is repeated."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.numerics.arrays import AnyArray
from edgeq.passes.boundary.split_outputs import SplitOutputs
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ort import open_session
from edgeq.schema.origins import SPLIT_KEY
from tests.detectors import images, three_heads
from tests.graph_text import Constants, lines, net

#: what is joined: two maps and one
PARTS = "a = Sin(x)  b = Slice(x, zero, one, one)  c = Concat<axis=1>(a, b)"
CUT = {"zero": np.array([0]), "one": np.array([1])}
X = np.random.default_rng(0).standard_normal((2, 2, 4, 4)).astype(np.float32)


def joint(tail: str, constants: Constants | None = None) -> ir.Model:
    return net(f"{PARTS}  {tail}", inputs="float[N, 2, 4, 4] x", constants={**CUT, **(constants or {})})


def run(model: ir.Model, feeds: dict[str, AnyArray]) -> list[AnyArray]:
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    return open_session(model, threads=1).run(feeds)


def test_the_concat_goes_and_its_movement_is_repeated() -> None:
    model = joint("t = Transpose<perm=[0, 2, 3, 1]>(c)  y = Sigmoid(t)")
    assert SplitOutputs()(model).modified
    assert [value.name for value in model.graph.outputs] == ["y.0", "y.1"]
    assert [line.split(" = ")[1].split("(")[0] for line in lines(model)] == ["Sin", "Slice", "Transpose", "Transpose", "Sigmoid", "Sigmoid"]
    assert json.loads(model.metadata_props[SPLIT_KEY]).keys() == {"y"}
    assert not SplitOutputs()(model).modified


@pytest.mark.parametrize(
    ("tail", "constants", "axis"),
    [
        ("y = Identity(c)", {}, 1),
        ("y = Transpose<perm=[0, 2, 3, 1]>(c)", {}, 3),
        ("y = Reshape(c, s)", {"s": np.array([0, 3, 16])}, 1),
        ("d = Reshape(c, s)  y = Transpose<perm=[0, 2, 1]>(d)", {"s": np.array([0, 3, -1])}, 2),
        ("y = Flatten(c)", {}, 1),
        ("y = Unsqueeze(c, one)", {}, 2),
        ("d = Tanh(c)  y = Cast<to=11>(d)", {}, 1),
    ],
)
def test_the_parts_joined_again_are_the_output(tail: str, constants: Constants, axis: int) -> None:
    model = joint(tail, constants)
    [whole] = run(model, {"x": X})
    assert SplitOutputs()(model).modified
    parts = run(model, {"x": X})
    assert [part.shape[axis] * 3 for part in parts] == [whole.shape[axis] * 2, whole.shape[axis]]
    np.testing.assert_array_equal(np.concatenate(parts, axis), whole)


@pytest.mark.parametrize(
    ("tail", "constants"),
    [
        ("y = Softmax<axis=1>(c)", {}),  # mixes the parts
        ("y = Reshape(c, s)", {"s": np.array([0, 2, 24])}),  # an element of both parts in one row
        ("y = Slice(c, zero, one, one)", {}),
        ("d = Concat<axis=1>(c, k)  y = Neg(d)", {"k": np.zeros((2, 1, 4, 4), np.float32)}),
    ],
)
def test_what_cannot_be_taken_apart_stays_whole(tail: str, constants: Constants) -> None:
    model = joint(tail, constants)
    before = lines(model)
    assert not SplitOutputs()(model).modified
    assert lines(model) == before


def test_an_input_and_an_output_that_are_parts_are_copied() -> None:
    model = net("a = Sin(x)  y = Concat<axis=1>(a, x)", inputs="float[1, 3] x", outputs="float y, float[1, 3] a")
    SplitOutputs()(model)
    assert [value.name for value in model.graph.outputs] == ["y.0", "y.1", "a"]
    x = np.ones((1, 3), np.float32)
    first, second, third = run(model, {"x": x})
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(second, x)


def test_concats_of_concats_are_taken_apart() -> None:
    model, _ = three_heads()
    feeds = {"image": images(1, 0)}
    [whole] = run(model, feeds)
    InferShapes()(model)
    SplitOutputs()(model)
    parts = run(model, feeds)
    assert [value.name for value in model.graph.outputs] == [f"out.{index}" for index in range(9)]
    rows = [np.concatenate(parts[start : start + 3], 2) for start in (0, 3, 6)]
    np.testing.assert_allclose(np.concatenate(rows, 1), whole, rtol=1e-6)
