"""The parts of an output, and the number of the part of each element, whatever moved them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.parts import labelled, parts_of
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session
from tests.graph_text import net

PARTS = "a = Sin(x)  b = Cos(x)"


def numbers(model: ir.Model, x: AnyArray) -> list[AnyArray]:
    return open_session(labelled(model)[0], threads=1).run({"x": x})


@pytest.mark.parametrize(
    ("tail", "parts"),
    [
        ("y = Concat<axis=1>(a, b)", ["a", "b"]),
        ("c = Concat<axis=1>(a, b)  y = Transpose<perm=[0, 2, 1]>(c)", ["a", "b"]),
        ("c = Concat<axis=1>(a, b)  d = Concat<axis=2>(c, c)  y = Sigmoid(d)", ["a", "b"]),
        ("c = Exp(b)  d = Concat<axis=2>(a, c)  y = Slice(d, one, two, one)", ["a", "c"]),
        ("y = ScatterElements<axis=1>(a, where, b)", ["a", "b"]),
        ("c = Concat<axis=1>(a, b)  y = Mul(c, c)", ["y"]),  # computed behind the joint
        ("y = Neg(a)", ["y"]),
    ],
)
def test_the_parts_are_what_the_innermost_concats_read(tail: str, parts: list[str]) -> None:
    places = np.zeros((1, 4, 6), np.int64)
    constants = {"one": np.array([1]), "two": np.array([2]), "where": places}
    model = net(f"{PARTS}  {tail}", inputs="float[1, 4, 6] x", constants=constants)
    assert [value.name for value in parts_of(model.graph.outputs[0])] == parts


def test_every_element_is_numbered_through_transposes_reshapes_and_slices() -> None:
    model = net(
        f"{PARTS}  b1 = Slice(b, zero, one, one)  c = Concat<axis=1>(a, b1)  d = Transpose<perm=[0, 2, 1]>(c)  y = Reshape(d, flat)",
        inputs="float[N, 4, 6] x",
        constants={"zero": np.array([0]), "one": np.array([1]), "flat": np.array([0, -1])},
    )
    [found] = numbers(model, np.zeros((2, 4, 6), np.float32))
    assert found.shape == (2, 30)
    assert found.reshape(2, 6, 5).tolist() == [[[1, 1, 1, 1, 2]] * 6] * 2


def test_a_fill_is_of_no_part() -> None:
    model = net(f"{PARTS}  c = Concat<axis=2>(a, b)  y = Pad(c, pads)", inputs="float[1, 1, 1] x",
                constants={"pads": np.array([0, 0, 1, 0, 0, 1])})  # fmt: skip
    assert numbers(model, np.zeros((1, 1, 1), np.float32))[0].tolist() == [[[0, 1, 2, 0]]]


def test_what_the_numbers_decide_is_not_numbered() -> None:
    """Which element goes where depends on the data: there are no parts by place."""
    model = net(f"{PARTS}  c = Concat<axis=0>(a, b)  i = Cast<to=7>(x)  y = Gather(c, i)", inputs="float[3] x")
    assert [value.name for value in parts_of(model.graph.outputs[0])] == ["y"]
    assert labelled(model)[1] == {}
