"""Find weights that are kept beside the model file, but only inside the model's own folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

import onnx
import onnx_ir as ir

from edgeq.errors import BadModel
from edgeq.io.mapped import may_be_mapped
from edgeq.io.run_files import note_read

#: bytes of a file that are read at a time
_BLOCK_BYTES = 1 << 20


class Digest(Protocol):
    """What hashlib's functions return."""

    def update(self, data: bytes, /) -> None: ...


def all_tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: initializers and node attributes, bodies and functions included."""
    yield from _graph_tensors(proto.graph)
    for function in proto.functions:
        for node in function.node:
            yield from _node_tensors(node)


def tensor_bytes(tensor: onnx.TensorProto) -> int:
    """The number of bytes that a tensor's shape and type require.

    Raises ValueError for a negative dimension or an unknown type.
    """
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"negative dimension in {list(tensor.dims)}")
    return int(-(-math.prod(tensor.dims) * ir.DataType(tensor.data_type).bitwidth // 8))


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("g"):
            yield from _graph_tensors(attribute.g)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph)


def read_external_data(proto: onnx.ModelProto, folder: Path | None, budget: int, digest: Digest | None = None) -> int:
    """Check the place of every external tensor, and read the small ones into the proto.

    Large ones stay where they are, to be mapped (edgeq/io/mapped.py); returns the bytes of all.
    folder: where the model file lies; None: the model came from memory, and external data is
    refused. budget: how many bytes all tensors together may have. digest: is updated with the bytes
    of all of them in walk order. Raises BadModel for a location outside the folder, a missing file,
    a length that differs from the tensor's, and too much data.
    """
    total = 0
    for tensor in all_tensors(proto):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        where = f"tensor {tensor.name or '(unnamed)'}"
        if folder is None:
            raise BadModel("The model came from memory but keeps weights in other files", where, "Pass the path of the .onnx file.")
        path = _inside(folder, entries.get("location", ""), where)
        offset, length = _span(entries, path, tensor, where)
        total += length
        if total > budget:
            raise BadModel(f"The external data has more than the {budget} bytes allowed", where, "Raise the size limit (--max-bytes).")
        note_read(path)
        stays = may_be_mapped(ir.DataType(tensor.data_type), length)
        read: list[bytes] = []
        for block in _blocks(path, offset, length):
            if digest is not None:
                digest.update(block)
            if not stays:
                read.append(block)
        if not stays:
            tensor.raw_data = b"".join(read)
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
    return total


def _blocks(path: Path, offset: int, length: int) -> Iterator[bytes]:
    """The bytes of a part of a file, a few at a time."""
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0 and (block := file.read(min(length, _BLOCK_BYTES))):
            length -= len(block)
            yield block


def _inside(folder: Path, location: str, where: str) -> Path:
    """The file that `location` names. Raises BadModel.

    It must be a regular file under `folder` after every link has been followed.
    """
    fix = "Put the data file beside the model and give its plain name."
    spellings = (PurePosixPath(location), PureWindowsPath(location))
    if not location or any(path.is_absolute() or path.anchor or ".." in path.parts for path in spellings):
        raise BadModel(f"External data at {location!r} is not a path inside the model's folder", where, fix)
    path = folder / location
    try:
        path.stat()
    except FileNotFoundError:
        pass  # said below, once it is known to lie inside
    except (OSError, ValueError) as error:  # no name of a file: it is too long, or has a null byte
        raise BadModel(f"External data at {location[:100]!r} is not a path of a file", where, fix) from error
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadModel(f"External data at {location!r} is a link out of the model's folder", where, fix)
    if not path.exists():
        raise BadModel(f"The external data file {location!r} is missing", where, f"Copy it to {folder}, or export the model again.")
    if not path.is_file():
        raise BadModel(f"External data at {location!r} is not a regular file", where, fix)
    return path


def _span(entries: dict[str, str], path: Path, tensor: onnx.TensorProto, where: str) -> tuple[int, int]:
    """Offset and length in bytes, checked against the sizes of the tensor and of the file."""
    fix = "The file belongs to another export or was cut short: export the model again."
    try:
        offset = int(entries.get("offset", "0") or 0)
        wanted = tensor_bytes(tensor)
        length = int(entries.get("length", "0") or wanted)
    except (ValueError, TypeError) as error:
        raise BadModel("The offset, length or type of external data makes no sense", where, fix) from error
    if offset < 0 or length != wanted:
        raise BadModel(f"External data of {length} bytes for a tensor of {wanted} bytes", where, fix)
    if offset + length > path.stat().st_size:
        raise BadModel(f"{path.name} ends before byte {offset + length}, which the tensor needs", where, fix)
    return offset, length
