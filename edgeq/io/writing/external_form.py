"""The bytes of an .onnx file, with its weights inside or in a data file beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import onnx
import onnx_ir as ir

from edgeq.graph.read import file_bytes, graphs
from edgeq.graph.value_types import typed_proto
from edgeq.io.external_data import tensor_bytes

#: tensors of at least 1024 bytes go to the data file, each at an offset that can be memory-mapped
_EXTERNAL_FROM, _ALIGNMENT = 1024, 4096

#: protobuf refuses messages of 2 GiB; this leaves room for the graph itself
IN_ONE_FILE_BYTES = (1 << 31) - (1 << 26)

#: a tensor with its offset in the data file
Placed = tuple[int, ir.TensorProtocol]


def as_bytes(model: ir.Model) -> bytes:
    """The content of the .onnx file; the same model gives the same bytes."""
    return bytes(typed_proto(model).SerializeToString(deterministic=True))


def weights_bytes(model: ir.Model) -> int:
    """The bytes that the model's weights take in a file."""
    return sum(file_bytes(value.const_value) for graph in graphs(model) for value in graph.initializers.values())


def written_size(model: ir.Model) -> int:
    """The bytes of the file that the model is written as, its data file included.

    With a data file, they depend on its name by a few bytes a weight: it is taken to be model.onnx.
    Large weights are not read: protobuf writes a part as a tag of one byte, its length, its bytes.
    """
    if weights_bytes(model) >= IN_ONE_FILE_BYTES:
        offset, last = place_weights(model)[-1]
        return offset + last.nbytes + len(as_bytes(refer_to(model, "model.onnx.0123456789abcdef.data")))
    bare, change = model.clone(), 0
    for value in bare.graph.initializers.values():
        tensor = value.const_value
        if isinstance(tensor, ir.Tensor | ir.LazyTensor) and tensor.nbytes >= _EXTERNAL_FROM:
            value.const_value = _outside(tensor, str(value.name), 0, "")
    proto = typed_proto(bare)
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            change += _part(tensor.ByteSize() + _part(tensor_bytes(tensor))) - _part(tensor.ByteSize())
    graph = proto.graph.ByteSize()
    return int(proto.ByteSize() - _part(graph) + _part(graph + change))


def _part(size: int) -> int:
    """The bytes that a part of this size takes: protobuf writes lengths in groups of 7 bits."""
    return 1 + max(1, -(-size.bit_length() // 7)) + size


def place_weights(model: ir.Model) -> list[Placed]:
    """The weights that go to a data file, each with its offset there, in ascending order."""
    return [(offset, tensor) for _, _, offset, tensor in _placed(model)]


def refer_to(model: ir.Model, location: str) -> ir.Model:
    """A copy whose large weights lie where place_weights puts them, in the file `location`."""
    outside = model.clone()
    for name, value, offset, tensor in list(_placed(outside)):
        value.const_value = _outside(tensor, name, offset, location)
    return outside


def _outside(tensor: ir.TensorProtocol, name: str, offset: int, location: str) -> ir.ExternalTensor:
    shape = ir.Shape(tensor.shape.numpy())
    return ir.ExternalTensor(location, offset, tensor.nbytes, tensor.dtype, shape=shape, name=name, base_dir="")


def _placed(model: ir.Model) -> Iterator[tuple[str, ir.Value, int, ir.TensorProtocol]]:
    offset = 0
    for graph in graphs(model):
        for name, value in graph.initializers.items():
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes < _EXTERNAL_FROM:
                continue
            offset = -(-offset // _ALIGNMENT) * _ALIGNMENT
            yield name, value, offset, tensor
            offset += tensor.nbytes


def put_tensors(file: BinaryIO, tensors: Iterable[Placed]) -> None:
    """Write the tensors at their offsets, in ascending order."""
    for offset, tensor in tensors:
        file.write(b"\0" * (offset - file.tell()))
        file.write(tensor.tobytes())
