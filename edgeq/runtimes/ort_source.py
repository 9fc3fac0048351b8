"""The form in which onnxruntime gets a model: its bytes, with large weights in files of their own.

onnxruntime maps weights that lie in files, and lets a page go once it has packed it; weights among
the bytes of a model would be in memory three times while it is opened, and protobuf refuses 2 GiB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.graph.forms.bare_proto import bare_proto
from edgeq.graph.read import file_bytes, graphs
from edgeq.io.mapped import MappedTensor, may_be_mapped
from edgeq.io.temporaries import ScratchFolder
from edgeq.numerics.arrays import AnyArray

#: weights in memory of fewer bytes together stay among the bytes of the model
IN_MEMORY_BYTES = 1 << 24
#: onnxruntime places a tensor in a file at multiples of this, to map it
ALIGNMENT = 4096


@dataclass(frozen=True, eq=False)
class Source:
    """What a session is opened from."""

    #: a path, or the bytes of a model
    model: str | bytes
    #: the folder of the files that the bytes refer to; None: they refer to none
    weights: Path | None = None
    #: arrays of constants that lie in other folders, by name; they must outlive the session
    others: tuple[tuple[str, AnyArray], ...] = ()
    #: what must outlive the session: tensors whose files would go with them, a temporary folder
    kept: tuple[ir.TensorProtocol, ...] = ()
    #: holds the weights that were in memory; None: no files were made
    folder: ScratchFolder | None = None


def source_of(model: ir.Model | bytes | Path) -> Source:
    """The source of a model; large weights are not copied, but for those in memory, into a file.

    Raises BadOutput where there is no room for that file.
    """
    if isinstance(model, Path):
        return Source(str(model))
    if isinstance(model, bytes):
        return Source(model)
    weights = [value for graph in graphs(model) for value in graph.initializers.values() if value.const_value is not None]
    mapped = {id(one): one.const_value for one in weights if isinstance(one.const_value, MappedTensor)}
    held = sum(file_bytes(one.const_value) for one in weights if id(one) not in mapped)
    if held + sum(tensor.nbytes for tensor in mapped.values()) < IN_MEMORY_BYTES and not any(_outside(one) for one in weights):
        return Source(bare_proto(model).SerializeToString())
    copy, folder = model.clone(), None
    if held >= IN_MEMORY_BYTES or any(_outside(one) for one in weights):
        folder = ScratchFolder()
        _write(copy, folder.path / "weights.bin")
    return _referring(copy, folder)


def _outside(value: ir.Value) -> bool:
    """Whether the value lies in external data of a model that edgeq has not loaded."""
    return isinstance(value.const_value, ir.ExternalTensor)


def _write(model: ir.Model, path: Path) -> None:
    """Write large weights of a model that are in memory to a file, and map them, one by one."""
    with path.open("wb") as file:
        for value in _initializers(model):
            tensor = value.const_value
            if tensor is None or isinstance(tensor, MappedTensor):
                continue
            if not may_be_mapped(tensor.dtype, file_bytes(tensor)) and not (_outside(value) and tensor.dtype.bitwidth % 8 == 0):
                continue
            file.seek(-(-file.tell() // ALIGNMENT) * ALIGNMENT)
            offset, shape = file.tell(), tuple(tensor.shape.numpy())
            file.write(tensor.tobytes())
            value.const_value = MappedTensor(path, offset, tensor.dtype, shape, value.name)


def _referring(model: ir.Model, folder: ScratchFolder | None) -> Source:
    """The bytes of a model that refer to mapped weights, in place.

    A session reads files of one folder: that of most bytes. Weights of other folders are handed
    over as arrays, which are mapped as well.
    """
    for value in list(model.graph.initializers.values()):
        if not value.uses() and not value.is_graph_output():  # onnxruntime drops these, and then misses them
            del model.graph.initializers[str(value.name)]
    found = [(value, value.const_value) for value in _initializers(model) if isinstance(value.const_value, MappedTensor)]
    if not found:  # many weights, all of them small
        return Source(bare_proto(model).SerializeToString(), folder=folder)
    sizes = Counter[Path]()
    for _, tensor in found:
        sizes[tensor.path.parent] += tensor.nbytes
    largest = max(sizes, key=lambda path: (sizes[path], str(path)))
    others, own = [], {id(value) for value in model.graph.initializers.values()}
    for value, tensor in found:
        inside = tensor.path.parent == largest
        if not inside and id(value) not in own:
            continue  # in a body, where onnxruntime takes no arrays: among the bytes of the model
        location = tensor.path.name if inside else f"{tensor.path.name}.elsewhere"
        shape = ir.Shape(tensor.shape.numpy())
        value.const_value = ir.ExternalTensor(
            location, tensor.offset, tensor.nbytes, tensor.dtype, shape=shape, name=str(value.name), base_dir=""
        )
        if not inside:
            others.append((str(value.name), tensor.numpy()))
    proto = bare_proto(model)
    return Source(proto.SerializeToString(), largest, tuple(others), tuple(tensor for _, tensor in found), folder)


def _initializers(model: ir.Model) -> Sequence[ir.Value]:
    return [value for graph in graphs(model) for value in graph.initializers.values()]
