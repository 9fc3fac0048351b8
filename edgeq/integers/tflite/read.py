"""List the operators of a .tflite file and whether they work on integers."""

from __future__ import annotations

import struct
from typing import Any

from edgeq.errors import BadModel
from edgeq.integers.tflite.flatbuffer import require_tflite
from edgeq.runtimes.ran_operator import RanOperator

#: integer types of the schema's enum TensorType
_INTEGER = {2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}


def file_operators(model: bytes, kernel: str) -> tuple[RanOperator, ...]:
    """The operators of the file in order, each attributed to `kernel`.

    An operator counts as integer when it touches no float tensor. Raises BadModel when the bytes
    are no .tflite file, and MissingExtra without the extra [tflite].
    """
    require_tflite()
    if model[4:8] != b"TFL3":
        raise BadModel("This is not a .tflite file.", "its first bytes", "Give a .tflite file, or a quantized ONNX model.")
    try:
        return _rows(model, kernel)
    except (struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:  # what flatbuffers raise
        what = f"The .tflite file is damaged or cut short ({type(error).__name__})."
        raise BadModel(what, "its list of operators", "Write or download the .tflite file again.") from error


def _rows(model: bytes, kernel: str) -> tuple[RanOperator, ...]:
    import tflite  # type: ignore[import-untyped]

    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    root: Any = tflite.Model.GetRootAsModel(model, 0)
    graph = root.Subgraphs(0)
    rows = []
    for place in range(graph.OperatorsLength()):
        op = graph.Operators(place)
        touched = [op.Inputs(i) for i in range(op.InputsLength())] + [op.Outputs(i) for i in range(op.OutputsLength())]
        integer = all(graph.Tensors(index).Type() in _INTEGER for index in touched if index >= 0)
        rows.append(RanOperator(names[root.OperatorCodes(op.OpcodeIndex()).BuiltinCode()], integer, kernel))
    return tuple(rows)
