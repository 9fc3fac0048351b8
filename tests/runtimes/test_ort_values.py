"""What a session is fed and gives: types that numpy lacks, sequences, optional values, maps."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import pytest

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session
from edgeq.runtimes.ort_values import output_array, type_spec

X = np.array([[0.5, -1.5, 3.0], [1.0, 2.0, -4.0]], np.float32)


def opened(text: str, opset: int = 17) -> Session:
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": {opset}]> net {text}')
    return open_session(proto.SerializeToString())


FOREIGN = [
    ("bfloat16", ml_dtypes.bfloat16, X),
    ("float8e4m3fn", ml_dtypes.float8_e4m3fn, X),
    ("float8e5m2", ml_dtypes.float8_e5m2, X),
    ("int4", ml_dtypes.int4, np.array([[-8, 7, 0], [1, -1, 3]], np.int8)),
    ("uint4", ml_dtypes.uint4, np.array([[15, 7, 0], [1, 9, 3]], np.uint8)),
    ("uint4", ml_dtypes.uint4, np.array([15], np.uint8)),
]


@pytest.mark.parametrize(("word", "kind", "numbers"), FOREIGN)
def test_types_that_numpy_lacks_go_in(word: str, kind: type, numbers: AnyArray) -> None:
    shape = ", ".join(map(str, numbers.shape))
    session = opened(f"({word}[{shape}] x) => (float[{shape}] y) {{ y = Cast<to = 1>(x) }}", 21)
    assert session.inputs[0].dtype == np.dtype(kind).name
    np.testing.assert_array_equal(session.run({"x": numbers.astype(kind)})[0], numbers.astype(np.float32))


@pytest.mark.parametrize(("word", "numbers"), [(word, numbers) for word, _, numbers in FOREIGN])
def test_types_that_numpy_lacks_come_out(word: str, numbers: AnyArray) -> None:
    code = getattr(onnx.TensorProto, word.upper())
    shape = ", ".join(map(str, numbers.shape))
    text = f"(float[{shape}] x) => (float[{shape}] z, {word}[{shape}] y) {{ z = Neg(x) y = Cast<to = {code}>(x) }}"
    z, y = opened(text, 21).run({"x": numbers.astype(np.float32)})
    assert (y.dtype, z.dtype) == (numbers.dtype, np.float32)
    np.testing.assert_array_equal(y, numbers)


def test_only_the_outputs_that_are_asked_for_come_in_their_order() -> None:
    session = opened("(float[2, 3] x) => (float[2, 3] a, bfloat16[2, 3] b, float[2, 3] c) { a = Neg(x) b = Cast<to = 16>(x) c = Abs(x) }")
    c, b = session.run({"x": X}, ["c", "b"])
    np.testing.assert_array_equal(c, np.abs(X))
    np.testing.assert_array_equal(b, X)


def test_a_sequence_is_fed_as_one_array() -> None:
    session = opened("(seq(float[2, 3]) x) => (float[a, 3] y) { y = ConcatFromSequence<axis = 0>(x) }")
    assert (session.inputs[0].form, session.inputs[0].dtype) == ("sequence", "float32")
    stacked = np.stack([X, 2 * X, 3 * X])
    np.testing.assert_array_equal(session.run({"x": stacked})[0], stacked.reshape(6, 3))


def test_an_optional_sequence_is_fed_as_one_array() -> None:
    session = opened("(optional(seq(float[2, 3])) x) => (seq(float[2, 3]) y) { y = OptionalGetElement(x) }")
    np.testing.assert_array_equal(session.run({"x": np.stack([X, X + 1])})[0], np.stack([X, X + 1]))


def test_tensors_of_several_shapes_are_laid_end_to_end() -> None:
    text = "(float[3, 2] x) => (seq(float[k, 2]) y) <int64[2] s = {1, 2}> { y = SplitToSequence<axis = 0>(x, s) }"
    numbers = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(opened(text).run({"x": numbers})[0], numbers.reshape(-1))


def test_an_empty_sequence_is_an_empty_array() -> None:
    session = opened("(float[3] x) => (float[3] y, seq(float[3]) s) { y = Neg(x) s = SequenceEmpty<dtype = 1>() }")
    assert session.run({"x": X[0]})[1].size == 0


def test_text_goes_through() -> None:
    words = np.array(["a", "b c"], object)
    assert opened("(string[2] x) => (string[2] y) { y = Identity(x) }").run({"x": words})[0].tolist() == ["a", "b c"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, []),
        ([], []),
        ({"b": 2.0, "a": 1.0}, [1.0, 2.0]),
        ([{3: 1.0, 2: 0.0}, {2: 5.0, 3: 6.0}], [[0.0, 1.0], [5.0, 6.0]]),
        ([{1: 1.0}, {1: 5.0, 2: 6.0}], [1.0, 5.0, 6.0]),
        (1.5, 1.5),
    ],
)
def test_what_is_no_tensor_becomes_an_array(given: object, wanted: object) -> None:
    assert output_array(given).tolist() == wanted


@pytest.mark.parametrize(
    ("text", "form", "dtype"),
    [
        ("tensor(double)", "tensor", "float64"),
        ("optional(tensor(int64))", "optional", "int64"),
        ("seq(map(int64,tensor(float)))", "sequence", "float32"),
        ("map(string,tensor(float))", "other", "float32"),
        ("tensor(string)", "tensor", "object"),
    ],
)
def test_types_in_onnxruntimes_words(text: str, form: str, dtype: str) -> None:
    found = type_spec("x", text, [2])
    assert (found.form, found.dtype) == (form, dtype)


def test_a_number_that_the_type_lacks_is_refused_by_the_runtime_in_words() -> None:
    session = opened("(seq(float[2, 3]) x) => (float[2, 3] y) <int64 k = {5}> { y = SequenceAt(x, k) }")
    with pytest.raises(RuntimeRefused):
        session.run({"x": np.stack([X, X])})


@pytest.mark.parametrize("text", [b"\xff", b"good \xe6"])
def test_text_that_is_not_utf_8_is_refused_in_words(text: bytes) -> None:
    proto = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 17]> net (float[2] x) => (string[1] y) { y = Identity(t) }')
    proto.graph.initializer.append(onnx.helper.make_tensor("t", onnx.TensorProto.STRING, [1], [text]))
    with open_session(proto.SerializeToString()) as session, pytest.raises(RuntimeRefused, match="not UTF-8"):
        session.run({"x": np.zeros(2, np.float32)})
