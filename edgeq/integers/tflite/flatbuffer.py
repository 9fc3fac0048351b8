"""A TFLite model as plain data, and its bytes: the only file that knows the flatbuffer schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeq.errors import MissingExtra
from edgeq.numerics.arrays import F32, I64, AnyArray
from edgeq.numerics.nibbles import packed

Number = int | float | bool


@dataclass(frozen=True, eq=False)
class TfTensor:
    """One tensor of a TFLite model."""

    name: str
    shape: tuple[int, ...]
    #: numpy name; int4: codes of -8..7, two in a byte in the file, and one each, int8, in `data`
    dtype: str
    #: [1], or [C] along `axis`; None without a grid; the same holds for zero_point
    scale: F32 | None = None
    zero_point: I64 | None = None
    axis: int = 0
    #: array of a constant
    data: AnyArray | None = None


@dataclass(frozen=True)
class TfOperator:
    """One operator of a TFLite model."""

    #: name in the schema's BuiltinOperator
    code: str
    version: int
    #: indices of tensors; -1 for an optional input that is left out
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    #: name of the schema's options table; its fields are in `options`
    table: str | None = None
    options: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class TfModel:
    """A model of one subgraph; inputs and outputs are indices of tensors."""

    tensors: tuple[TfTensor, ...]
    operators: tuple[TfOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    description: str
    #: name -> bytes
    metadata: Mapping[str, bytes]
    #: tensor of an input or output -> its name in the signature of a file that was read
    signature: Mapping[int, str] = field(default_factory=dict)


def require_tflite() -> None:
    """Raises MissingExtra when the schema is not installed."""
    try:
        import flatbuffers  # type: ignore[import-untyped]  # noqa: F401
        import tflite  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        what, where = "Writing .tflite files needs the packages tflite and flatbuffers.", "-o model.tflite"
        raise MissingExtra(what, where, "Install them: pip install 'edgeq[tflite]'.") from None


def to_bytes(model: TfModel) -> bytes:
    """The .tflite file; equal models give equal bytes. Raises MissingExtra (see require_tflite)."""
    require_tflite()
    return _Writer().write(model)


class _Writer:
    """Flatbuffers are written from the leaves up: a table follows the tables that it points to."""

    def __init__(self) -> None:
        import flatbuffers
        import tflite

        self.schema: Any = tflite
        self.builder: Any = flatbuffers.Builder(1 << 16)
        self.buffers: list[bytes] = [b""]

    def write(self, model: TfModel) -> bytes:
        names = list(dict.fromkeys((op.code, op.version) for op in model.operators))
        tensors = [self._tensor(tensor) for tensor in model.tensors]
        operators = [self._operator(op, names.index((op.code, op.version))) for op in model.operators]
        graph = self._table(
            "SubGraph",
            {
                "Tensors": self._offsets("SubGraph", "Tensors", tensors),
                "Inputs": self._ints(model.inputs),
                "Outputs": self._ints(model.outputs),
                "Operators": self._offsets("SubGraph", "Operators", operators),
                "Name": self._text("main"),
            },
        )
        metadata = [self._metadata(name, data) for name, data in sorted(model.metadata.items())]
        codes = [self._code(name, version) for name, version in names]
        buffers = [self._buffer(data) for data in self.buffers]
        root = self._table(
            "Model",
            {
                "Version": 3,
                "OperatorCodes": self._offsets("Model", "OperatorCodes", codes),
                "Subgraphs": self._offsets("Model", "Subgraphs", [graph]),
                "Description": self._text(model.description),
                "Buffers": self._offsets("Model", "Buffers", buffers),
                "Metadata": self._offsets("Model", "Metadata", metadata),
            },
        )
        self.builder.Finish(root, file_identifier=b"TFL3")
        return bytes(self.builder.Output())

    def _tensor(self, tensor: TfTensor) -> int:
        quantization = None
        if tensor.scale is not None and tensor.zero_point is not None:
            quantization = self._table(
                "QuantizationParameters",
                {
                    "Scale": self.builder.CreateNumpyVector(np.asarray(tensor.scale, np.float32)),
                    "ZeroPoint": self.builder.CreateNumpyVector(np.asarray(tensor.zero_point, np.int64)),
                    "QuantizedDimension": tensor.axis,
                },
            )
        kind = getattr(self.schema.TensorType, tensor.dtype.upper())
        return self._table(
            "Tensor",
            {
                "Shape": self._ints(tensor.shape),
                "Type": kind,
                "Buffer": self._store(packed(tensor.data) if tensor.dtype == "int4" and tensor.data is not None else tensor.data),
                "Name": self._text(tensor.name),
                "Quantization": quantization,
            },
        )

    def _store(self, data: AnyArray | None) -> int:
        if data is None:
            return 0
        self.buffers.append(np.ascontiguousarray(data).tobytes())
        return len(self.buffers) - 1

    def _operator(self, op: TfOperator, code: int) -> int:
        options = None if op.table is None else self._table(op.table, op.options)
        kind = 0 if op.table is None else getattr(self.schema.BuiltinOptions, op.table)
        return self._table(
            "Operator",
            {
                "OpcodeIndex": code,
                "Inputs": self._ints(op.inputs),
                "Outputs": self._ints(op.outputs),
                "BuiltinOptionsType": kind,
                "BuiltinOptions": options,
            },
        )

    def _code(self, name: str, version: int) -> int:
        code = getattr(self.schema.BuiltinOperator, name)
        return self._table("OperatorCode", {"DeprecatedBuiltinCode": min(code, 127), "Version": version, "BuiltinCode": code})

    def _metadata(self, name: str, data: bytes) -> int:
        self.buffers.append(data)
        return self._table("Metadata", {"Name": self._text(name), "Buffer": len(self.buffers) - 1})

    def _buffer(self, data: bytes) -> int:
        if not data:
            return self._table("Buffer", {})
        # TFLite Micro reads weights in place: 16-byte alignment, as the schema asks for
        self.builder.StartVector(1, len(data), 16)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.head : self.builder.head + len(data)] = data
        return self._table("Buffer", {"Data": self.builder.EndVector()})

    def _table(self, name: str, fields: Mapping[str, Number | None]) -> int:
        start: Callable[[Any], None] = getattr(self.schema, f"{name}Start")
        start(self.builder)
        for key, value in fields.items():
            if value is not None:
                getattr(self.schema, f"{name}Add{key}")(self.builder, value)
        return int(getattr(self.schema, f"{name}End")(self.builder))

    def _ints(self, numbers: Sequence[int]) -> int:
        return int(self.builder.CreateNumpyVector(np.asarray(numbers, np.int32)))

    def _text(self, text: str) -> int:
        return int(self.builder.CreateString(text))

    def _offsets(self, table: str, name: str, offsets: Sequence[int]) -> int:
        getattr(self.schema, f"{table}Start{name}Vector")(self.builder, len(offsets))
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())
