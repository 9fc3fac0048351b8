"""List the operators of a .tflite file and whether they work on integers."""

from __future__ import annotations

from edgeq.integers.tflite.parse import operators_of
from edgeq.runtimes.ran_operator import RanOperator

_INTEGERS = ("int4", "int8", "uint8", "int16", "int32", "int64", "bool")


def file_operators(model: bytes, kernel: str) -> tuple[RanOperator, ...]:
    """The operators of the file in order, each attributed to `kernel`.

    An operator counts as integer when it touches no float tensor. Raises as operators_of does.
    """
    return tuple(RanOperator(code, all(kind in _INTEGERS for kind in kinds), kernel) for code, kinds in operators_of(model))
