"""Constants that are read from a file: arrays of their own, which no reader copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.graph.forms.constants import own_constants
from edgeq.graph.read import constant, nodes, values
from edgeq.io.load import load_model
from edgeq.io.mapped import SPILLED_FROM_BYTES, MappedTensor, spilling
from edgeq.passes.prepare.convert_opset import ConvertOpset

BODIES = """<ir_version: 8, opset_import: ["": 11]> g (float[2] x, bool c) => (float[2] y)
<float[2] w = {1.0, 2.0}> { k = Constant<value = float[2] {3.0, 4.0}>() a = Add(x, w) b = Add(a, k)
    y = If<then_branch = t () => (float[2] u) <float[2] v = {5.0, 6.0}> { u = Mul(b, v) },
           else_branch = e () => (float[2] z) { m = Constant<value = float[2] {7.0, 8.0}>() z = Mul(b, m) }>(c) }"""


def loaded(tmp_path: Path) -> ir.Model:
    onnx.save(onnx.parser.parse_model(BODIES), tmp_path / "m.onnx")
    return load_model(tmp_path / "m.onnx").model


def arrays(model: ir.Model) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every constant of a model, read twice."""
    found = {str(value.name): (constant(value), constant(value)) for value in values(model)}
    return {name: (one, two) for name, (one, two) in found.items() if one is not None and two is not None}


def test_no_reader_of_a_constant_copies_it_in_bodies_and_attributes_too(tmp_path: Path) -> None:
    found = arrays(loaded(tmp_path))
    assert {name: one.tolist() for name, (one, _) in found.items()} == {"w": [1, 2], "k": [3, 4], "v": [5, 6], "m": [7, 8]}
    assert all(np.shares_memory(one, two) for one, two in found.values())


def test_nor_in_a_model_that_was_converted(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    ConvertOpset(13, 21)(model)
    assert model.opset_imports[""] == 13
    assert all(np.shares_memory(one, two) for one, two in arrays(model).values())


@pytest.mark.parametrize("kind", ["float16", "int64", "bool", "uint8", "float64"])
def test_types_and_numbers_stay_whichever_field_holds_them(kind: str) -> None:
    array = (np.arange(6).reshape(2, 3) % 2).astype(kind)
    proto = onnx.numpy_helper.from_array(array, "w")
    typed = onnx.helper.make_tensor("v", proto.data_type, array.shape, array.reshape(-1))  # not as raw bytes
    graph = onnx.helper.make_graph([], "g", [], [], [proto, typed])
    model = ir.from_proto(onnx.helper.make_model(graph))
    own_constants(model)
    for name in ("w", "v"):
        tensor = model.graph.initializers[name].const_value
        assert tensor is not None and tensor.name == name and tensor.dtype == ir.DataType(proto.data_type)
        np.testing.assert_array_equal(tensor.numpy(), array)


def test_codes_of_four_bits_and_strings_are_left_as_they_are() -> None:
    graph = onnx.helper.make_graph(
        [],
        "g",
        [],
        [],
        [onnx.helper.make_tensor("q", onnx.TensorProto.INT4, [3], [1, -2, 3]), onnx.numpy_helper.from_array(np.array(["a"], object), "s")],
    )
    model = ir.from_proto(onnx.helper.make_model(graph))
    own_constants(model)
    assert all(isinstance(value.const_value, (ir.serde.TensorProtoTensor, ir.StringTensor)) for value in model.graph.initializers.values())


def test_a_large_constant_of_a_file_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    weight = np.ones(SPILLED_FROM_BYTES // 4, np.float32)
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, weight.shape) for name in "xy")
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y], [onnx.numpy_helper.from_array(weight, "w")])),
        tmp_path / "m.onnx",
    )
    with spilling():
        model = load_model(tmp_path / "m.onnx").model
    tensor = next(nodes(model)).inputs[1].const_value  # type: ignore[union-attr]  # the node has two inputs
    assert isinstance(tensor, MappedTensor)
    np.testing.assert_array_equal(tensor.numpy(), weight)
    path = tensor.path
    del model, tensor
    import gc

    gc.collect()
    assert not path.exists()
