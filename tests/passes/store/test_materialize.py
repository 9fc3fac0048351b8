"""Materialize: a table looked up by constant indices becomes the weight; nothing else does."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.read import constant
from edgeq.numerics.arrays import AnyArray
from edgeq.passes.store.materialize import Materialize
from tests.graph_text import lines, net

TABLE = np.array([0.5, -2.0, 7.0, 3.0], np.float32)
PACKED = np.array([0b11_10_01_00, 0b00_00_00_11], np.uint8)  # 0 1 2 3, 3 0 0 0


def model_of(body: str, **constants: AnyArray) -> ir.Model:
    return net(f"{body} y = Mul(x, w)", inputs="float[2, 3] x", outputs="float[2, 3] y", constants={"t": TABLE, **constants})


def test_indices_become_the_entries_they_stand_for() -> None:
    indices = np.array([[0, 1, 2], [3, 3, 0]], np.uint8)
    model = model_of("i = Cast<to = 6>(w_indices) w = Gather(t, i)", w_indices=indices)
    assert Materialize()(model).modified
    assert lines(model) == ["y = Mul(x, w)"]
    assert list(model.graph.initializers) == ["w"]
    np.testing.assert_array_equal(constant(model.graph.initializers["w"]), TABLE[indices])
    assert not Materialize()(model).modified


def test_packed_indices_are_unpacked_cut_and_shaped() -> None:
    """Four indices a byte, by division and remainder; the padding behind the sixth is cut off."""
    body = """p = Div(w_indices, places) q = Mod(p, four) r = Reshape(q, flat) s = Slice(r, zero, six)
              i = Cast<to = 6>(s) g = Gather(t, i) h = Reshape(g, turned) w = Transpose<perm = [1, 0]>(h)"""
    model = model_of(
        body,
        w_indices=PACKED[:, None],
        places=np.array([1, 4, 16, 64], np.uint8),
        four=np.array(4, np.uint8),
        flat=np.array([-1]),
        zero=np.array([0]),
        six=np.array([6]),
        turned=np.array([3, 2]),
    )
    assert Materialize()(model).modified
    assert lines(model) == ["y = Mul(x, w)"]
    np.testing.assert_array_equal(constant(model.graph.initializers["w"]), TABLE[[0, 1, 2, 3, 3, 0]].reshape(3, 2).T)


def test_bits_are_shifted_and_masked_likewise() -> None:
    body = """p = BitShift<direction = "RIGHT">(w_indices, places) q = BitwiseAnd(p, mask) r = Reshape(q, shape)
              i = Cast<to = 6>(r) w = Gather(t, i)"""
    numbers = {
        "w_indices": PACKED[:1, None],
        "places": np.array([0, 2, 4], np.uint8),
        "mask": np.array(3, np.uint8),
        "shape": np.array([1, 3]),
    }
    model = net(f"{body} y = Mul(x, w)", inputs="float[2, 3] x", outputs="float[2, 3] y", constants={"t": TABLE, **numbers}, opset=18)
    assert Materialize()(model).modified
    np.testing.assert_array_equal(constant(model.graph.initializers["w"]), TABLE[[[0, 1, 2]]])


@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        ("i = Cast<to = 6>(x) g = Gather(t, i) w = Neg(g)", {}),  # indices of the input
        ("w = Gather(t, i)", {"i": np.array([[0, 1, 4]])}),  # beyond the table: only a run may say so
        ("w = Gather<axis = 1>(m, i)", {"m": np.ones((2, 4), np.float32), "i": np.array([0, 1, 2])}),  # no codebook
    ],
)
def test_what_depends_on_the_input_or_is_no_codebook_stays(body: str, numbers: dict[str, AnyArray]) -> None:
    model = model_of(body, **numbers)
    before = lines(model)
    assert not Materialize()(model).modified
    assert lines(model) == before


@pytest.mark.parametrize(
    "body",
    [
        "j = Cast<to = 4294967296>(i) w = Gather(t, j)",  # no element type
        "j = Cast<to = -1>(i) w = Gather(t, j)",
        "j = Reshape(i, seven) w = Gather(t, j)",  # other sizes than the indices have
        "j = Add(i, m) w = Gather(t, j)",  # no broadcast of each other
        "j = Transpose<perm = [0, 9]>(i) w = Gather(t, j)",
    ],
)
def test_what_contradicts_itself_stays(body: str) -> None:
    model = model_of(body, i=np.array([[0, 1, 2], [3, 3, 0]]), m=np.ones((4, 5), np.int64), seven=np.array([7]))
    before = lines(model)
    assert not Materialize()(model).modified
    assert lines(model) == before


def test_a_weight_that_is_an_output_keeps_its_name() -> None:
    model = net("w = Gather(t, i)", inputs="float[2] x", outputs="float[2] w", constants={"t": TABLE, "i": np.array([2, 0])})
    assert Materialize()(model).modified
    assert [value.name for value in model.graph.outputs] == ["w"]
    assert lines(model) == []


def test_materialize_leaves_other_constants_alone() -> None:
    text = """<ir_version: 8, opset_import: ["": 17]> net (float[2] x) => (float[2] y, float[2] k)
        <float[2] a = {1.0, 2.0}, float[2] k = {3.0, 4.0},
        int64[2] i = {1, 0}> { s = Mul(a, a)  r = Add(x, s)  y = Gather(r, i) }"""
    model = ir.from_onnx_text(text)
    before = lines(model)
    assert not Materialize()(model).modified
    assert lines(model) == before
