"""Read the bytes of a .tflite file as plain data: the inverse of flatbuffer.py.

A file may come from anywhere: every number in it is checked by what it is used for, and what
contradicts itself raises BadModel.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from edgeq.errors import BadModel, UnsupportedOp
from edgeq.integers.tflite.flatbuffer import Number, TfModel, TfOperator, TfTensor, require_tflite
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.nibbles import unpacked

Found = TypeVar("Found")
#: the schema's enum TensorType -> numpy name
TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8", 10: "float64", 12: "uint64",
    15: "uint32", 16: "uint16", 17: "int4",
}  # fmt: skip
#: parts of the names of accessors that stand for no field of their own
_NO_FIELD = ("Length", "AsNumpy", "IsNone", "BufferHasIdentifier")


def parse(data: bytes) -> TfModel:
    """The model of a .tflite file with one subgraph.

    Raises BadModel for other bytes, UnsupportedOp for several subgraphs, sparse tensors or types
    that numpy lacks, and MissingExtra without the extra [tflite].
    """
    return _read(data, lambda parser: parser.parse())


def operators_of(data: bytes) -> tuple[tuple[str, tuple[str | None, ...]], ...]:
    """Each operator of the first subgraph, with the types of its tensors.

    None: a type that numpy lacks. No tensor is read, so that files of any type and of any number of
    subgraphs are listed. Raises BadModel for other bytes, and MissingExtra as `parse` does.
    """
    return _read(data, lambda parser: parser.listed())


def _read(data: bytes, what_for: Callable[[_Parser], Found]) -> Found:
    require_tflite()
    if data[4:8] != b"TFL3":
        raise BadModel("This is not a .tflite file.", "its first bytes", "Give a .tflite file, or a quantized ONNX model.")
    try:
        return what_for(_Parser(data))
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, UnicodeDecodeError, OverflowError) as error:
        what = f"The .tflite file is damaged or contradicts itself: {error or type(error).__name__}"
        raise BadModel(what, "the .tflite file", "Write or download the file again.") from error


class _Parser:
    def __init__(self, data: bytes) -> None:
        import tflite  # type: ignore[import-untyped]

        self.schema: Any = tflite
        self.root: Any = tflite.Model.GetRootAsModel(data, 0)
        self.codes = _named(tflite.BuiltinOperator)
        self.tables = _named(tflite.BuiltinOptions)

    def parse(self) -> TfModel:
        if self.root.SubgraphsLength() != 1:
            what = f"The file has {self.root.SubgraphsLength()} subgraphs; edgeq reads files of one."
            raise UnsupportedOp(what, "the .tflite file", "Run it in LiteRT, or convert it without control flow.")
        graph = self.root.Subgraphs(0)
        tensors = tuple(self._tensor(graph.Tensors(place)) for place in range(graph.TensorsLength()))
        operators = tuple(self._operator(graph.Operators(place), len(tensors)) for place in range(graph.OperatorsLength()))
        inputs = _places((graph.Inputs(place) for place in range(graph.InputsLength())), len(tensors))
        outputs = _places((graph.Outputs(place) for place in range(graph.OutputsLength())), len(tensors))
        return TfModel(tensors, operators, inputs, outputs, _text(self.root.Description()), self._metadata(), self._signature())

    def listed(self) -> tuple[tuple[str, tuple[str | None, ...]], ...]:
        graph = self.root.Subgraphs(0)
        kinds = [TYPES.get(graph.Tensors(place).Type()) for place in range(graph.TensorsLength())]
        found = []
        for op in (graph.Operators(place) for place in range(graph.OperatorsLength())):
            inputs, outputs = _ends(op, len(kinds))
            found.append((self._name(op), tuple(kinds[place] for place in (*inputs, *outputs) if place >= 0)))
        return tuple(found)

    def _name(self, op: Any) -> str:
        code = self.root.OperatorCodes(op.OpcodeIndex())
        # files of before 2020 have their code in the older field alone
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return self.codes.get(number, f"operator {number}")

    def _tensor(self, tensor: Any) -> TfTensor:
        name = _text(tensor.Name())
        kind = TYPES.get(tensor.Type())
        if kind is None or tensor.Sparsity() is not None:
            what = f"Tensor {name} is sparse, or has a type that edgeq does not read."
            raise UnsupportedOp(what, f"tensor {name}", "Run the file in LiteRT.")
        shape = tuple(int(tensor.Shape(place)) for place in range(tensor.ShapeLength()))
        if any(size < 0 for size in shape):
            raise ValueError(f"tensor {name} has a negative size")
        scale = zero = None
        axis, found = 0, tensor.Quantization()
        if found is not None and found.ScaleLength():
            scale = np.array(found.ScaleAsNumpy(), np.float32)
            zero = np.array(found.ZeroPointAsNumpy(), np.int64) if found.ZeroPointLength() else np.zeros(len(scale), np.int64)
            axis = int(found.QuantizedDimension())
            _check_grid(name, shape, scale, zero, axis)
        return TfTensor(name, shape, kind, scale, zero, axis, self._data(tensor.Buffer(), kind, shape))

    def _data(self, number: int, kind: str, shape: tuple[int, ...]) -> AnyArray | None:
        buffer = self.root.Buffers(number)
        if buffer is None or not buffer.DataLength():
            return None
        # a copy: what the file is wrong about shows here, and weights are aligned
        data = buffer.DataAsNumpy().tobytes()
        if kind == "int4":
            return _nibbles(data, shape)
        return np.frombuffer(data, np.dtype(kind)).reshape(shape)

    def _operator(self, op: Any, tensors: int) -> TfOperator:
        inputs, outputs = _ends(op, tensors)
        table = self.tables.get(op.BuiltinOptionsType())
        options: dict[str, Number] = {}
        if table is not None and op.BuiltinOptions() is not None:
            options = self._options(table, op.BuiltinOptions())
        return TfOperator(self._name(op), self.root.OperatorCodes(op.OpcodeIndex()).Version(), inputs, outputs, table, options)

    def _options(self, table: str, found: Any) -> dict[str, Number]:
        """The fields of an options table that are numbers."""
        kind = getattr(self.schema, table)
        options = kind()
        options.Init(found.Bytes, found.Pos)
        names = [name for name in vars(kind) if name[:1].isupper() and name != "Init" and not name.startswith("GetRootAs")]
        plain = [name for name in names if not name.endswith(_NO_FIELD) and f"{name}Length" not in names]
        return {name: getattr(options, name)() for name in plain}

    def _metadata(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for place in range(self.root.MetadataLength()):
            one = self.root.Metadata(place)
            buffer = self.root.Buffers(one.Buffer())
            found[_text(one.Name())] = buffer.DataAsNumpy().tobytes() if buffer is not None and buffer.DataLength() else b""
        return found

    def _signature(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for place in range(self.root.SignatureDefsLength()):
            one = self.root.SignatureDefs(place)
            for entry in [one.Inputs(i) for i in range(one.InputsLength())] + [one.Outputs(i) for i in range(one.OutputsLength())]:
                names.setdefault(int(entry.TensorIndex()), _text(entry.Name()))
        return names


def _nibbles(data: bytes, shape: tuple[int, ...]) -> AnyArray:
    """Codes of 4 bits as int8, the type in which numpy holds them."""
    count = math.prod(shape)
    if len(data) != -(-count // 2):
        raise ValueError(f"{len(data)} bytes hold no {count} numbers of 4 bits")
    return unpacked(np.frombuffer(data, np.uint8), count).reshape(shape)


def _check_grid(name: str, shape: tuple[int, ...], scale: AnyArray, zero: AnyArray, axis: int) -> None:
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError(f"tensor {name} has a scale that is not a positive number")
    if zero.size not in (1, scale.size) or np.abs(zero).max(initial=0) >= 1 << 31:
        raise ValueError(f"tensor {name} has zero points that do not fit its scales")
    if scale.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scale.size):
        raise ValueError(f"tensor {name} has {scale.size} scales along axis {axis} of {list(shape)}")


def _ends(op: Any, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tensors that an operator reads, and those that it makes."""
    inputs = _places((op.Inputs(place) for place in range(op.InputsLength())), count, optional=True)
    return inputs, _places((op.Outputs(place) for place in range(op.OutputsLength())), count)


def _places(found: Iterable[int], count: int, *, optional: bool = False) -> tuple[int, ...]:
    """Indices of tensors, each checked; -1 for an optional input that is left out."""
    places = tuple(int(place) for place in found)
    wrong = [place for place in places if not (0 <= place < count or (optional and place == -1))]
    if wrong:
        raise IndexError(f"there is no tensor {wrong[0]}")
    return places


def _named(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def _text(found: bytes | None) -> str:
    return "" if found is None else found.decode("utf-8", "replace")
