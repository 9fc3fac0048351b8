"""Blocks of 32 with a shared power of two: ONNX's reference and a slow one agree in every code."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from edgeq.numerics.arrays import F32, AnyArray
from edgeq.numerics.formats.codecs.elements import ELEMENTS, Element
from edgeq.numerics.formats.codecs.shared_exponents import (
    BLOCK,
    SharedExponents,
    block_exponents,
    decode,
    encode,
    exponents_of,
    with_exponents,
)

EACH = pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
RULES = pytest.mark.parametrize("rule", ["floor", "even", "ceil"])
TYPES = {
    "e2m1": TensorProto.FLOAT4E2M1,
    "e2m3": TensorProto.FLOAT6E2M3,
    "e3m2": TensorProto.FLOAT6E3M2,
    "e4m3": TensorProto.FLOAT8E4M3FN,
    "e5m2": TensorProto.FLOAT8E5M2,
    "int8": TensorProto.INT8,
}


def _rows(count: int, columns: int, seed: int = 3) -> F32:
    """Rows of many sizes, with blocks of zeros, ties, powers of two and the floats below them."""
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((count, columns)) * np.exp2(rng.uniform(-30, 30, (count, 1)))).astype(np.float32)
    rows[0, : BLOCK + 8] = 0
    rows[1] = np.exp2(rng.integers(-9, 9, columns))
    rows[2] = np.nextafter(rows[1], np.float32(0))
    rows[3] = rng.integers(-28, 29, columns) / 4
    return rows


def _reference(element: Element, opset: int) -> ReferenceEvaluator:
    """Block-wise QuantizeLinear and DequantizeLinear with E8M0 scales, in ONNX's own types."""
    kind = TYPES[element.name]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"], axis=1, block_size=BLOCK, output_dtype=kind, precision=TensorProto.FLOAT),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"], axis=1, block_size=BLOCK, output_dtype=TensorProto.FLOAT),
    ]
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, None), helper.make_tensor_value_info("s", TensorProto.FLOAT8E8M0, None)]
    outs = [helper.make_tensor_value_info("q", kind, None), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    return ReferenceEvaluator(helper.make_model(helper.make_graph(nodes, "g", ins, outs), opset_imports=[helper.make_opsetid("", opset)]))


def _of_reference(rows: F32, stored: SharedExponents, element: Element) -> tuple[AnyArray, F32]:
    exponents = stored.exponents if element.exponent else stored.exponents - np.uint8(element.mantissa)  # INT8 has whole codes there
    feeds = {"x": rows, "s": exponents.view(ml_dtypes.float8_e8m0fnu)}
    codes, numbers = _reference(element, 28).run(None, feeds)
    return codes, numbers


@RULES
@EACH
def test_a_million_codes_and_numbers_are_those_of_the_onnx_reference(element: Element, rule: str) -> None:
    rows = _rows(1024, 1024)
    rows[0] = 1e-3 * rows[4]  # QuantizeLinear divides in float32, by a scale that a block of zeros has no use for
    stored = encode(rows, element, rule)  # type: ignore[arg-type]
    codes, numbers = _of_reference(rows, stored, element)
    own = decode(stored, element)
    if not element.exponent:  # -2 has a code there, which the codec leaves out
        numbers = np.where(codes == -128, numbers * np.float32(127 / 128), numbers)
        codes = np.maximum(codes, -127)
    assert rows.size >= 10**6
    assert np.count_nonzero(codes.view(np.uint8) != stored.codes) == 0
    assert np.count_nonzero(numbers != own) == 0


@pytest.mark.parametrize("opset", [24, 25, 28])
@pytest.mark.parametrize("name", ["e2m1", "e4m3", "e5m2"])
def test_the_older_typed_forms_mean_the_same(name: str, opset: int) -> None:
    element, rows = ELEMENTS[name], _rows(16, 128)[4:]  # type: ignore[index]
    stored = encode(rows, element)
    codes, numbers = _reference(element, opset).run(None, {"x": rows, "s": stored.exponents.view(ml_dtypes.float8_e8m0fnu)})
    assert np.array_equal(codes.view(np.uint8), stored.codes)
    assert np.array_equal(numbers, decode(stored, element))


@EACH
def test_every_code_times_every_exponent_decodes_as_in_the_onnx_reference(element: Element) -> None:
    """All 254 scales that a block can have, subnormal float32 results included."""
    codes = np.tile(np.arange(1 << element.bits, dtype=np.uint8), max(1, BLOCK >> element.bits))
    codes = np.tile(codes[: codes.size - codes.size % BLOCK], (254, 1))
    stored = SharedExponents(codes, np.repeat(np.arange(1, 255, dtype=np.uint8)[:, None], codes.shape[1] // BLOCK, axis=1))
    kind = TYPES[element.name]
    data = helper.make_node("DequantizeLinear", ["q", "s"], ["y"], axis=1, block_size=BLOCK, output_dtype=TensorProto.FLOAT)
    ins = [helper.make_tensor_value_info("q", kind, None), helper.make_tensor_value_info("s", TensorProto.FLOAT8E8M0, None)]
    graph = helper.make_graph([data], "g", ins, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    reference = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)]))
    typed = codes.view(helper.tensor_dtype_to_np_dtype(kind))
    with np.errstate(over="ignore"):
        (numbers,) = reference.run(None, {"q": typed, "s": stored.exponents.view(ml_dtypes.float8_e8m0fnu)})
        own = decode(stored, element)
    if not element.exponent:
        numbers = (numbers.astype(np.float64) / 2**element.mantissa).astype(np.float32)
        own, numbers = own[8:-7], numbers[8:-7]  # where ONNX's whole codes neither overflow nor lose bits
    assert np.array_equal(own, numbers, equal_nan=True)


def _slow_exponent(block: list[float], element: Element, rule: str) -> int:
    """The rules as they are written, without logarithms."""
    most = max(abs(number) for number in block)
    if most == 0:
        return -127
    if rule == "ceil":
        scale = -200
        while most > element.largest * 2.0**scale:
            scale += 1
        return max(scale, -127)
    if rule == "even":
        unit = 2.0 ** (math.frexp(most)[1] - 1 - element.mantissa)
        most = math.floor(most / unit + 0.5) * unit
    power = -200
    while 2.0 ** (power + 1) <= most:
        power += 1
    return max(power - element.most, -127)


@RULES
@EACH
def test_exponents_are_those_of_the_rules_as_published(element: Element, rule: str) -> None:
    rows = _rows(40, 100)
    found = block_exponents(rows, element, rule)  # type: ignore[arg-type]
    blocks = [[row[start : start + BLOCK].astype(float).tolist() for start in range(0, 100, BLOCK)] for row in rows]
    assert found.tolist() == [[_slow_exponent(block, element, rule) for block in row] for row in blocks]


@EACH
def test_ceil_never_saturates_and_no_smaller_scale_would_do(element: Element) -> None:
    rows = _rows(64, 96)[4:]
    exponents = np.repeat(block_exponents(rows, element, "ceil"), BLOCK, axis=1)
    scaled = np.abs(np.ldexp(rows.astype(np.float64), -exponents))
    assert scaled.max() <= element.largest
    assert (scaled.reshape(60, 3, BLOCK).max(-1) > element.largest / 2).all()


def test_even_counts_what_rounds_up_as_the_next_power_of_two() -> None:
    rows = np.array([[1.75], [1.7499999], [3.0]], np.float32)
    assert block_exponents(rows, ELEMENTS["e2m1"], "even").tolist() == [[-1], [-2], [-1]]
    assert block_exponents(rows, ELEMENTS["e2m1"], "floor").tolist() == [[-2], [-2], [-1]]
    assert block_exponents(rows, ELEMENTS["e2m1"], "ceil").tolist() == [[-1], [-1], [-1]]


@EACH
def test_what_is_decoded_encodes_to_itself(element: Element) -> None:
    stored = encode(_rows(64, 77), element)
    again = with_exponents(decode(stored, element), exponents_of(stored.exponents), element)
    assert np.array_equal(decode(again, element), decode(stored, element))
    assert np.array_equal(again.exponents, stored.exponents)


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 100])
def test_a_short_last_block_is_encoded_as_if_zeros_followed(columns: int) -> None:
    rows = _rows(12, columns)
    padded = np.pad(rows, ((0, 0), (0, -columns % BLOCK)))
    short, whole = encode(rows, ELEMENTS["e2m1"]), encode(padded, ELEMENTS["e2m1"])
    assert short.exponents.shape == (12, -(-columns // BLOCK))
    assert np.array_equal(short.exponents, whole.exponents)
    assert np.array_equal(short.codes, whole.codes[:, :columns])


def test_the_smallest_and_largest_floats_have_a_scale() -> None:
    rows = np.array([[np.finfo(np.float32).max], [np.finfo(np.float32).smallest_subnormal]], np.float32)
    for element in ELEMENTS.values():
        stored = encode(rows, element)
        assert stored.exponents[1, 0] == 0
        assert np.isfinite(decode(stored, element)).all()
    assert onnx.TensorProto.FLOAT8E8M0 == 24
