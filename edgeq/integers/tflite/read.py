"""List the operators of a .tflite file and whether they work on integers."""

from __future__ import annotations

from edgeq.integers.tflite.parse import parse
from edgeq.runtimes.ran_operator import RanOperator

_INTEGERS = ("int8", "uint8", "int16", "int32", "int64", "bool")


def file_operators(model: bytes, kernel: str) -> tuple[RanOperator, ...]:
    """The operators of the file in order, each attributed to `kernel`.

    An operator counts as integer when it touches no float tensor. Raises as `parse` does.
    """
    file = parse(model)
    integer = [tensor.dtype in _INTEGERS for tensor in file.tensors]
    return tuple(
        RanOperator(op.code, all(integer[place] for place in (*op.inputs, *op.outputs) if place >= 0), kernel) for op in file.operators
    )
