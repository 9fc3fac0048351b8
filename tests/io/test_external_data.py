"""Sizes of tensors, and every tensor of a model."""

from __future__ import annotations

import onnx
import pytest

from edgeq.io.external_data import all_tensors, tensor_bytes


@pytest.mark.parametrize(
    ("kind", "shape", "wanted"),
    [("FLOAT", (2, 3), 24), ("FLOAT16", (5,), 10), ("INT4", (3, 3), 5), ("UINT2", (5,), 2), ("FLOAT", (), 4), ("FLOAT", (0, 7), 0)],
)
def test_bytes_are_rounded_up(kind: str, shape: tuple[int, ...], wanted: int) -> None:
    assert tensor_bytes(onnx.TensorProto(data_type=onnx.TensorProto.DataType.Value(kind), dims=shape)) == wanted


@pytest.mark.parametrize("shape", [(-1,), (3, -1), (-2, -2)])
def test_a_negative_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="negative dimension"):
        tensor_bytes(onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=shape))


def test_tensors_of_attributes_and_bodies_are_found() -> None:
    text = """<ir_version: 8, opset_import: ["": 17]> net (float[2] x, bool c) => (float[2] y) <float[2] w = {1.0, 2.0}> {
      k = Constant<value = float[2] {3.0, 4.0}>()  a = Add(x, k)
      y = If (c) <then_branch = t () => (float[2] tv) <float[2] v = {5.0, 6.0}> { tv = Add(a, v) },
                  else_branch = e () => (float[2] ev) { ev = Add(a, w) }> }"""
    found = [onnx.numpy_helper.to_array(tensor).tolist() for tensor in all_tensors(onnx.parser.parse_model(text))]
    assert found == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
