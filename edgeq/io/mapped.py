"""Constants that lie in files and are in memory only while somebody reads them.

The weights of a model with external data stay where they are; large ones that passes make are put
into temporary files. So a model may be larger than the memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadOutput, InputChanged
from edgeq.graph.forms.constants import storing
from edgeq.graph.walk import graphs_below, nodes_of
from edgeq.io.temporaries import ScratchFolder
from edgeq.numerics.arrays import AnyArray

#: smaller tensors of external data are read: a mapping costs some tens of microseconds each time
MAPPED_FROM_BYTES = 1 << 16
#: a constant that is read or made is put into a file from this size on: it takes longer to compute
#: than to write, sessions map it without a copy of their own, and a hundred of them fill a small
#: machine
SPILLED_FROM_BYTES = 1 << 20


class MappedTensor(ir.LazyTensor):
    """A tensor at an offset of a file; each reader maps it, and its pages go when the array does.

    Its dtype is one of whole bytes.
    """

    def __init__(self, path: Path, offset: int, dtype: ir.DataType, shape: tuple[int, ...], name: str | None) -> None:
        """path: an existing file, which must keep its content."""
        super().__init__(self._mapped, dtype, ir.Shape(shape), cache=False, name=name)
        #: the file, links followed, and where in it the tensor begins, in bytes
        self.path, self.offset = path, offset

    def _mapped(self) -> ir.Tensor[AnyArray]:
        """The tensor over a new mapping. Raises InputChanged where the file is shorter by now."""
        shape = tuple(self.shape.numpy())
        try:
            whole = np.memmap(self.path, self.dtype.numpy(), "r", self.offset, shape)
        except (OSError, ValueError) as error:  # ValueError: the mapping would end behind the file
            what = f"The weights of {self.name!r} cannot be read any more: {error}"
            raise InputChanged(what, str(self.path), "Run the command again when nothing writes to the file.") from error
        return ir.Tensor(np.asarray(whole), dtype=self.dtype, name=self.name)


def may_be_mapped(dtype: ir.DataType, size: int) -> bool:
    """Whether a tensor of this type and size in bytes stays in its file."""
    return size >= MAPPED_FROM_BYTES and dtype != ir.DataType.STRING and dtype.bitwidth % 8 == 0


def map_external(model: ir.Model, folder: Path) -> None:
    """Map what was left in external data, in place; its places were checked before.

    folder: the folder of the model's file.
    """
    for graph in (model.graph, *dict.fromkeys(graphs_below(model.graph))):
        for value in graph.initializers.values():
            value.const_value = None if value.const_value is None else _as_mapped(value.const_value, folder)
    for node in nodes_of(model.graph):
        for name, attribute in list(node.attributes.items()):
            if attribute.type == ir.AttributeType.TENSOR and isinstance(attribute.value, ir.ExternalTensor):
                node.attributes[name] = ir.AttrTensor(name, _as_mapped(attribute.value, folder))
            elif attribute.type == ir.AttributeType.TENSORS:
                node.attributes[name] = ir.AttrTensors(name, [_as_mapped(one, folder) for one in attribute.as_tensors()])


def _as_mapped(tensor: ir.TensorProtocol, folder: Path) -> ir.TensorProtocol:
    if not isinstance(tensor, ir.ExternalTensor):
        return tensor
    path = (folder / tensor.location).resolve()
    return MappedTensor(path, tensor.offset or 0, tensor.dtype, tuple(tensor.shape.numpy()), tensor.name)


@contextmanager
def spilling() -> Iterator[None]:
    """Put large constants that passes make in the block into files, one each.

    A file goes when nothing refers to its tensor any more. Where there is no room for one, its
    constant stays in memory.
    """
    folder: list[ScratchFolder] = []
    numbers = count()

    def store(array: AnyArray, name: str | None) -> ir.TensorProtocol:
        dtype = ir.DataType.from_numpy(array.dtype)
        if array.nbytes < SPILLED_FROM_BYTES or not may_be_mapped(dtype, array.nbytes):
            return ir.Tensor(array, name=name)
        try:
            if not folder:
                folder.append(ScratchFolder())
            path = folder[0].path / f"{next(numbers)}.bin"
            array.tofile(path)
        except (OSError, BadOutput):
            return ir.Tensor(array, name=name)
        tensor = MappedTensor(path, 0, dtype, array.shape, name)
        weakref.finalize(tensor, _removed, path, folder[0])
        return tensor

    with storing(store):
        yield


def _removed(path: Path, _folder: ScratchFolder) -> None:
    """Remove the file of a tensor; its folder lives until then."""
    path.unlink(missing_ok=True)
