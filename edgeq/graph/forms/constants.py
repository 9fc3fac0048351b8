"""Where constants are kept that are read or made: in memory, unless a run says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.walk import graphs_below, nodes_of
from edgeq.numerics.arrays import AnyArray

#: makes the tensor of a constant from its array and its name
Store = Callable[[AnyArray, str | None], ir.TensorProtocol]
_STORE: ContextVar[Store | None] = ContextVar("edgeq_store", default=None)


@contextmanager
def storing(store: Store) -> Iterator[None]:
    """Let `store` make the tensors of the constants that are made in the block."""
    token = _STORE.set(store)
    try:
        yield
    finally:
        _STORE.reset(token)


def tensor_of(array: AnyArray, name: str | None) -> ir.TensorProtocol:
    """The tensor of a constant, of any shape and dtype."""
    array, store = np.ascontiguousarray(array) if array.ndim else array, _STORE.get()
    return ir.Tensor(array, name=name) if store is None else store(array, name)


def own_constants(model: ir.Model) -> None:
    """Keep constants apart from the protobuf message that the model was read from, in place.

    A message gives a copy of its bytes each time that it is asked for them, and stays in memory as
    a whole for as long as one of its tensors does.
    """
    for graph in (model.graph, *dict.fromkeys(graphs_below(model.graph))):
        for value in graph.initializers.values():
            value.const_value = None if value.const_value is None else _own(value.const_value)
    for node in nodes_of(model.graph):
        for name, attribute in list(node.attributes.items()):
            if attribute.type == ir.AttributeType.TENSOR and not attribute.is_ref():
                node.attributes[name] = ir.AttrTensor(name, _own(attribute.as_tensor()))


def _own(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    if not isinstance(tensor, ir.serde.TensorProtoTensor) or tensor.dtype == ir.DataType.STRING or tensor.dtype.bitwidth % 8:
        return tensor
    return tensor_of(tensor.numpy(), tensor.name or None)
