"""Where the constants that passes make are kept: in memory, unless a run says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import onnx_ir as ir

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
