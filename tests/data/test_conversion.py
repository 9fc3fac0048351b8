"""Conversion to the element type of an input: exact, or refused; text; types of ml_dtypes."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from edgeq.data.conversion import convert
from edgeq.data.open import open_dataset
from edgeq.errors import BadData
from edgeq.graph.signature import Form, InputSpec
from edgeq.numerics.arrays import AnyArray


def spec(dtype: str, form: Form = "tensor") -> InputSpec:
    return InputSpec("x", dtype, ("N", 2), form)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([[-8, 7]], np.int64), "int4"),
        (np.array([[0, 15]], np.uint8), "uint4"),
        (np.array([[True, False]]), "int4"),
        (np.array([[1.5, -3.0]], np.float32), "bfloat16"),
        (np.array([[1.5, -3.0]], np.float64), "float8_e4m3fn"),
        (np.array([[1.5, -3.0]], ml_dtypes.bfloat16), "float32"),
        (np.array([[3, 4]], np.int32), "bfloat16"),
    ],
)
def test_numbers_that_fit(array: AnyArray, dtype: str) -> None:
    made = convert(array, spec(dtype), "here")
    assert made.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(made.astype(np.float64), array.astype(np.float64))


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([[8, 0]], np.int8), "int4"),
        (np.array([[-1, 0]], np.int8), "uint4"),
        (np.array([[1.0, 2.0]], np.float32), "int4"),
        (np.array([[1e30, 0]], np.float32), "float8_e4m3fn"),  # it has no infinity: NaN
        (np.array([[1e30, 0]], np.float64), "float8_e5m2"),
        (np.array([[257, 0]], np.int32), "bfloat16"),
    ],
)
def test_numbers_that_do_not_fit(array: AnyArray, dtype: str) -> None:
    with pytest.raises(BadData, match="not every value fits"):
        convert(array, spec(dtype), "here")


def test_types_of_ml_dtypes_come_back_from_a_file(tmp_path: Path) -> None:
    numbers = np.arange(8, dtype=np.float32).reshape(4, 2).astype(ml_dtypes.bfloat16)
    np.savez(tmp_path / "d.npz", x=numbers)  # numpy stores them as two bytes each
    (batch,) = open_dataset(tmp_path / "d.npz", (spec("bfloat16"),)).batches(4)
    np.testing.assert_array_equal(batch.feeds["x"], numbers)


@pytest.mark.parametrize("kind", [str, object])
def test_text_feeds_an_input_of_text(kind: type, tmp_path: Path) -> None:
    words = np.array([["a", "bc"], ["d", "e"], ["d", "e"]], kind)
    data = open_dataset({"x": words}, (spec("object"),))
    assert [batch.feeds["x"].tolist() for batch in data.batches(1)] == [[["a", "bc"]], [["d", "e"]], [["d", "e"]]]
    digests = [row.tobytes() for row in data.complete_survey().digests]
    assert digests[1] == digests[2] != digests[0]
    if kind is str:
        np.savez(tmp_path / "d.npz", x=words)
        assert open_dataset(tmp_path / "d.npz", (spec("object"),)).hash == data.hash


def test_numbers_for_text_and_text_for_numbers_name_the_input() -> None:
    with pytest.raises(BadData, match="`x` takes text"):
        open_dataset({"x": np.zeros((3, 2))}, (spec("object"),))
    with pytest.raises(BadData, match="not a number") as caught:
        open_dataset({"x": np.array([["1", "2"]])}, (spec("float32"),))
    assert "input `x`" in caught.value.where


def test_a_map_is_refused_by_name() -> None:
    with pytest.raises(BadData, match="`x` is a map"):
        open_dataset({"x": np.zeros((3, 2))}, (spec("float32", "other"),))


def test_a_sequence_is_stacked_along_its_first_axis() -> None:
    sequence = InputSpec("x", "float32", (None, 2, 3), "sequence")
    data = open_dataset({"x": np.zeros((5, 4, 2, 3), np.float32)}, (sequence,))
    assert [batch.feeds["x"].shape for batch in data.batches(8)] == [(4, 2, 3)] * 5
    with pytest.raises(BadData) as caught:
        open_dataset({"x": np.zeros((5, 2, 3), np.float32)}, (sequence,))
    assert "sequence" in caught.value.fix
