"""The codes of every value of a file: what golden vectors hold beside inputs and outputs.

Layout of the .npz file, version 1, beside in_NAME and out_NAME:

    model        uint8 [bytes]: the file itself, from which an operator is computed again
    values       uint8 [bytes]: JSON, the document `Values`
    value_NAME   codes [N, ...]: the value NAME for N samples, each in the file's type and layout
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir
from pydantic import ValidationError

from edgeq.errors import BadData, BadModel
from edgeq.integers.emit import emit_tflite
from edgeq.integers.graph import IntegerGraph, Operand
from edgeq.integers.reading.operation import Operation, operations_of
from edgeq.integers.reading.read import read_tflite
from edgeq.integers.run import Interpreter
from edgeq.io.load import load_proto
from edgeq.io.strict_toml import Strict
from edgeq.numerics.arrays import I64, AnyArray

VERSION: Literal[1] = 1
#: the keys of the file that are no codes, and what stands before the name of a value
MODEL, DOCUMENT, PREFIX = "model", "values", "value_"
#: bytes of codes that are written at most: more does not fit into the memory of many a machine
LARGEST_BYTES = 1 << 30

Form = Literal["onnx", "tflite"]


class Grid(Strict):
    """The grid of a value's codes: r = scale * (q - zero_point)."""

    scale: float
    zero_point: int


class Value(Strict):
    """A value of the file."""

    #: numpy name of its type in the file
    dtype: str
    #: sizes for one sample, in the file's layout
    shape: tuple[int, ...]
    #: left out: whole numbers that are no codes
    grid: Grid | None = None


class Operator(Strict):
    """An operator of the file."""

    name: str
    #: as the file calls it
    op_type: str
    #: values that are known only at run time
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Values(Strict):
    """What is said of the codes."""

    version: Literal[1]
    form: Form
    samples: int
    #: in the order of execution
    operators: tuple[Operator, ...]
    values: dict[str, Value]


def read_back(model: bytes, form: Form) -> tuple[IntegerGraph, tuple[Operation, ...]]:
    """A file as integers. Raises what reading such a file raises."""
    if form == "tflite":
        read = read_tflite(model)
        return read.graph, read.operations
    try:
        proto = onnx.load_model_from_string(model)
    except Exception as error:  # protobuf tells its own classes to nobody
        raise BadModel("The model in the golden file is no ONNX model.", "the golden file", "Write it again.") from error
    graph = Interpreter(load_proto(proto, quantized=True).model).graph
    return graph, operations_of(graph)


def golden_values(model: bytes, form: Form, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """The further entries of a golden file (see above).

    model: the bytes of the file. inputs: place of an input -> its codes [N, ...] as the file takes
    them. Raises BadData where there would be more than LARGEST_BYTES, BadModel when an accumulator
    overflows int32, and what reading the file raises.
    """
    graph, operations = read_back(model, form)
    operands = _operands(graph, operations)
    codes = list(zip(graph.inputs, inputs.values(), strict=True))
    count = len(codes[0][1]) // _rows(codes[0][0])
    size = count * sum(math.prod(one.shape or ()) * np.dtype(one.dtype).itemsize for one in operands.values()) + len(model)
    if size > LARGEST_BYTES:
        what = f"All values of {count} samples take {size / 1e9:.2f} GB, more than the {LARGEST_BYTES / 1e9:.2f} GB that are written."
        raise BadData(what, "--golden N --layers", "Use fewer samples, or leave --layers out.")
    machine, found = Interpreter(graph), {name: list[AnyArray]() for name in operands}
    for sample in range(count):
        ran = machine.ran({one.name: array[sample * _rows(one) :][: _rows(one)] for one, array in codes})
        if ran.overflows:
            raise BadModel(f"A sum of {ran.overflows[0].largest} leaves int32.", f"node {ran.overflows[0].node}", "Quantize it again.")
        for name, operand in operands.items():
            found[name].append(as_stored(ran.values[name], operand))
    document = Values(
        version=VERSION, form=form, samples=count, operators=tuple(map(_operator, operations)),
        values={name: _value(one, found[name][0]) for name, one in operands.items()},
    )  # fmt: skip
    text = document.model_dump_json(exclude_none=True).encode()
    entries = {MODEL: np.frombuffer(model, np.uint8), DOCUMENT: np.frombuffer(text, np.uint8)}
    return {**entries, **{f"{PREFIX}{name}": np.stack(arrays) for name, arrays in found.items()}}


def parse_values(found: Mapping[str, AnyArray], where: str) -> Values:
    """The document of a golden file. Raises BadData where it is missing or not as it must be."""
    fix = "Write it with edgeq quantize --golden N --layers."
    if DOCUMENT not in found or MODEL not in found:
        raise BadData("The golden file has no values of inner layers.", where, fix)
    try:
        return Values.model_validate_json(found[DOCUMENT].astype(np.uint8).tobytes())
    except ValidationError as error:
        first = error.errors()[0]
        what = f"What the golden file says of its values is wrong: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise BadData(what, where, fix) from None


def as_stored(codes: AnyArray, operand: Operand) -> AnyArray:
    """int8 codes as the file has them: unsigned ones are 128 higher."""
    unsigned = operand.grid is not None and operand.grid.dtype == "uint8"
    return np.asarray((codes + 128 if unsigned else codes).astype(operand.dtype))


def as_codes(stored: AnyArray, value: Value) -> I64:
    """The inverse: int8 codes, or whole numbers, in int64."""
    return np.asarray(stored.astype(np.int64) - (128 if value.grid is not None and value.dtype == "uint8" else 0), np.int64)


def _operands(graph: IntegerGraph, operations: Sequence[Operation]) -> dict[str, Operand]:
    """The values that hold codes or whole numbers, inputs first, then in the order of execution."""
    every: Iterable[Operand] = (*graph.inputs, *(one for operation in operations for one in (*operation.inputs, *operation.outputs)))
    return {one.name: one for one in every if one.data is None and not one.is_float}


def _rows(operand: Operand) -> int:
    """How long axis 0 of an input is for one sample: 1, unless it is no axis of samples."""
    return max((operand.shape or (1,))[0], 1)


def _operator(operation: Operation) -> Operator:
    inputs, outputs = (tuple(one.name for one in ends) for ends in (operation.inputs, operation.outputs))
    return Operator(name=operation.name, op_type=operation.op_type, inputs=inputs, outputs=outputs)


def _value(operand: Operand, stored: AnyArray) -> Value:
    grid = operand.grid
    known = None if grid is None else Grid(scale=float(grid.scale), zero_point=int(grid.zero_point))
    return Value(dtype=str(stored.dtype), shape=stored.shape, grid=known)


def with_values(vectors: Mapping[str, AnyArray], model: ir.Model, form: Form) -> dict[str, AnyArray]:
    """Golden vectors of a model, as golden_vectors makes them for this form, with every value."""
    file = emit_tflite(model) if form == "tflite" else bytes(ir.to_proto(model).SerializeToString(deterministic=True))
    inputs = {name: array for name, array in vectors.items() if name.startswith("in_")}
    return {**vectors, **golden_values(file, form, inputs)}
