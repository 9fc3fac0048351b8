"""MX4, MX6 and MX9: a slow reference from the paper's definition and ONNX's agree in every code."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.codecs.microexponents import BLOCK, MANTISSA, PAIR, Microexponents, decode, encode, step_exponents

EACH = pytest.mark.parametrize("mantissa", MANTISSA.values(), ids=MANTISSA)


def _rows(count: int, columns: int, seed: int = 4) -> F32:
    """Rows of many sizes, with zeros, ties, powers of two, the floats below them and subnormals."""
    rng = np.random.default_rng(seed)
    sizes = np.exp2(rng.uniform(-30, 30, (count, 1)) + rng.uniform(-3, 3, (count, columns)))
    rows = (rng.standard_normal((count, columns)) * sizes).astype(np.float32)
    rows[0, : BLOCK + 4] = 0
    rows[1] = np.exp2(rng.integers(-5, 5, columns))
    rows[2] = np.nextafter(rows[1], np.float32(0))
    rows[3] = rng.integers(-9, 10, columns) / 4
    rows[4] = rng.standard_normal(columns) * 3e-38
    rows[5] = rng.standard_normal(columns) * 3e-39
    return rows


def _slowly(row: list[float], mantissa: int) -> tuple[list[int], list[int], list[int], list[float]]:
    """Codes, exponents, shifts and numbers of a row, as the paper defines them."""
    codes, exponents, shifts, numbers = [], [], [], []
    for first in range(0, len(row), BLOCK):
        block = [0.0 if abs(number) < 2.0**-126 else number for number in row[first : first + BLOCK]]
        powers = [math.frexp(number)[1] - 1 if number else -127 for number in block]
        shared = max(powers)
        exponents.append(shared + 127)
        for pair in range(0, len(block), PAIR):
            shift = 1 if max(powers[pair : pair + PAIR]) < shared else 0
            shifts.append(shift)
            unit = 2.0 ** (shared - shift - (mantissa - 1))
            for number in block[pair : pair + PAIR]:
                code = max(-(2**mantissa) + 1, min(2**mantissa - 1, round(number / unit)))  # round: half to even
                codes.append(code)
                numbers.append(code * unit)
    return codes, exponents, shifts, numbers


def _check(rows: F32, mantissa: int) -> None:
    stored = encode(rows, mantissa)
    own = decode(stored, mantissa)
    wrong = 0
    for index, row in enumerate(rows.astype(float).tolist()):
        codes, exponents, shifts, numbers = _slowly(row, mantissa)
        wrong += int(np.count_nonzero(stored.codes[index] != codes)) + int(np.count_nonzero(own[index] != np.array(numbers)))
        wrong += int(np.count_nonzero(stored.exponents[index] != exponents)) + int(np.count_nonzero(stored.shifts[index] != shifts))
    assert wrong == 0


@EACH
@pytest.mark.parametrize("columns", [1, 2, 15, 16, 17, 50])
def test_rows_of_any_width_are_encoded_as_published(mantissa: int, columns: int) -> None:
    _check(_rows(60, columns), mantissa)


@pytest.mark.slow
@EACH
def test_a_million_numbers_are_encoded_as_published(mantissa: int) -> None:
    _check(_rows(1000, 1008), mantissa)


@EACH
def test_a_million_numbers_decode_as_in_the_onnx_reference(mantissa: int) -> None:
    rows = _rows(1024, 1024)[6:]
    stored = encode(rows, mantissa)
    units = (step_exponents(stored.exponents, stored.shifts, rows.shape[1], mantissa)[:, ::PAIR] + 127).astype(np.uint8)
    node = helper.make_node("DequantizeLinear", ["q", "s"], ["y"], axis=1, block_size=PAIR, output_dtype=TensorProto.FLOAT)
    ins = [helper.make_tensor_value_info("q", TensorProto.INT8, None), helper.make_tensor_value_info("s", TensorProto.FLOAT8E8M0, None)]
    graph = helper.make_graph([node], "g", ins, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    reference = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)]))
    (numbers,) = reference.run(None, {"q": stored.codes, "s": units.view(ml_dtypes.float8_e8m0fnu)})
    assert rows.size >= 10**6
    assert np.count_nonzero(numbers != decode(stored, mantissa)) == 0


@EACH
def test_what_is_decoded_encodes_to_the_same_numbers(mantissa: int) -> None:
    rows = _rows(50, 64)
    numbers = decode(encode(rows, mantissa), mantissa)
    assert np.array_equal(decode(encode(numbers, mantissa), mantissa), numbers)


def test_a_code_does_not_round_up_beyond_its_mantissa() -> None:
    below = np.nextafter(np.float32(8), np.float32(0))
    assert decode(encode(np.array([[below, -below]], np.float32), 7), 7).tolist() == [[7.9375, -7.9375]]


def test_the_example_of_one_block() -> None:
    stored = encode(np.array([[3.0, 0.2, 1.3, -0.9, 0.1]], np.float32), MANTISSA["mx6"])
    assert isinstance(stored, Microexponents)
    assert (stored.exponents.tolist(), stored.shifts.tolist()) == ([[128]], [[0, 1, 1]])
    assert stored.codes.tolist() == [[12, 1, 10, -7, 1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        encode(np.array([[1.0, bad]], np.float32), 2)
