"""What was found of a constant's numbers alone: a run makes several plans of a model's weights."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import onnx_ir as ir

T = TypeVar("T")

#: by the tensor that holds the numbers, which copies of a model share; goes with the last of them
_FOUND: WeakKeyDictionary[ir.TensorProtocol, dict[Hashable, Any]] = WeakKeyDictionary()


def remembered(value: ir.Value | None, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` finds of a constant, made once for its numbers and this key.

    key: all else that it depends on. What is not an initializer is not remembered. The result must
    not be changed.
    """
    tensor = None if value is None else value.const_value
    if tensor is None:
        return make()
    found = _FOUND.setdefault(tensor, {})
    if key not in found:
        found[key] = make()
    return cast(T, found[key])
