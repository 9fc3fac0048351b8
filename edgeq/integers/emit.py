"""Write a QDQ model as the bytes of a .tflite file: int8 throughout, channels last."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeq.errors import UnsupportedOp
from edgeq.integers.bounds import clamp_codes, implied
from edgeq.integers.coded_inputs import pixel_inputs
from edgeq.integers.fixed_batch import fixed_batch
from edgeq.integers.graph import IntegerOp, Operand, integer_graph
from edgeq.integers.operands import grid_out, shape_of
from edgeq.integers.ops import clamp
from edgeq.integers.ops.table import ON_INDICES, integer_operator_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.flatbuffer import TfModel, TfTensor, require_tflite, to_bytes
from edgeq.integers.tflite.fused import FUSED
from edgeq.integers.tflite.layout import tflite_shape
from edgeq.schema.origins import PACKED_KEY, SPLIT_KEY
from edgeq.schema.pixels import pixel_key
from edgeq.version import __version__

#: the entries of the model's metadata that are copied into the file, with the maps of raw pixels
_RECORD = ("edgeq.target", "edgeq.runs_on", "edgeq.recipe", "edgeq.model", "edgeq.data", "edgeq.plan", "edgeq.gate", SPLIT_KEY)


def emit_tflite(model: ir.Model) -> bytes:
    """The bytes of the .tflite form of a QDQ model whose integers all have 8 bits.

    uint8 codes become int8 codes that stand for exactly the same numbers. A dynamic first dimension
    of an input becomes 1. Images enter and leave channels last: [N, C, H, W] -> [N, H, W, C]. Float
    inputs and outputs get a QUANTIZE and a DEQUANTIZE; inputs of raw pixels stay uint8 and are
    followed by a QUANTIZE.

    Where the model's metadata say so, weights of layers whose codes have 4 bits become INT4.

    Raises UnsupportedOp, which names the node, the input or the output; BadModel for unknown sizes;
    MissingExtra without the extra [tflite].
    """
    require_tflite()
    graph = integer_graph(fixed_batch(model))
    steps = tuple(step for step in graph.steps if step.computes)
    readers: dict[str, list[IntegerOp]] = {}
    for step in steps:
        for operand in step.inputs:
            if operand is not None:
                readers.setdefault(operand.name, []).append(step)
    emitter = Emitter(readers, packs=model.metadata_props.get(PACKED_KEY) == "int4")
    pixels = pixel_inputs(model)
    inputs = [_pixels(emitter, operand) if operand.name in pixels else _end(emitter, operand) for operand in graph.inputs]
    for step in steps:
        _emit(emitter, step)
    outputs = [_made(emitter, operand) for operand in graph.outputs]
    record = {key: model.metadata_props[key] for key in (*_RECORD, *map(pixel_key, pixels)) if key in model.metadata_props}
    metadata = {"edgeq": json.dumps(record, sort_keys=True).encode()} if record else {}
    tensors, operators = tuple(emitter.tensors), tuple(emitter.operators)
    return to_bytes(TfModel(tensors, operators, tuple(inputs), tuple(outputs), f"edgeq {__version__}", metadata))


def _end(emitter: Emitter, operand: Operand) -> int:
    """Add the tensor of a model input."""
    if operand.is_index and operand.shape is not None and _only_indices(emitter, operand.name):
        return emitter.tensor(operand, emitter.readers[operand.name][0])
    if operand.shape is None or not (operand.is_float or operand.grid is not None):
        what = f"TFLite's int8 form takes inputs of float32 or of codes, of known rank; {operand.name} is none of these."
        raise UnsupportedOp(what, f"input {operand.name}", "Fold the input into the model as a constant, or write .onnx.")
    tensor = emitter.scratch(operand.name, tflite_shape(operand.shape), operand.grid)
    emitter.index[operand.name] = tensor
    return tensor


def _only_indices(emitter: Emitter, name: str) -> bool:
    """Whether every reader of an input takes whole numbers, such as the Gather of an embedding."""
    readers = emitter.readers.get(name, ())
    return bool(readers) and all((row := integer_operator_of(step)) is ON_INDICES or (step.op_type == "Gather" and row) for step in readers)


def _pixels(emitter: Emitter, operand: Operand) -> int:
    """Add the uint8 tensor of a model input, and a QUANTIZE to the int8 tensor that is read.

    Both hold the same numbers; the int8 codes are 128 lower.
    """
    codes, grid = _end(emitter, operand), operand.grid
    assert grid is not None  # PixelBoundary records it
    made = emitter.tensors[codes]
    zero = np.atleast_1d(grid.zero_point).astype(np.int64)
    tensor = emitter.add(TfTensor(f"{operand.name}_pixels", made.shape, "uint8", np.atleast_1d(grid.scale), zero))
    emitter.op("QUANTIZE", [tensor], [codes], "QuantizeOptions", version=1)
    return tensor


def _made(emitter: Emitter, operand: Operand) -> int:
    if operand.name not in emitter.index:
        what = f"In TFLite's int8 form every output is computed of an input; {operand.name} is a constant."
        raise UnsupportedOp(what, f"output {operand.name}", "Remove it from the outputs, or write .onnx.")
    return emitter.index[operand.name]


def _emit(emitter: Emitter, step: IntegerOp) -> None:
    operator = integer_operator_of(step)
    if operator is None or operator.emit is None:
        what = f"TFLite has no int8 operator for {step.op_type}."
        raise UnsupportedOp(what, f"node {step.name}", "Quantize for target mcu_tflite, which lists the operators it has.")
    if step.clamp is None or implied(step.clamp, grid_out(step)) or (operator.fuses and step.clamp in FUSED):
        operator.emit(emitter, step)
        return
    final, grid = step.outputs[0], grid_out(step)
    before = emitter.scratch(f"{final.name}_unclamped", tflite_shape(shape_of(final, step)), grid)
    emitter.index[final.name] = before
    operator.emit(emitter, replace(step, clamp=None))
    del emitter.index[final.name]
    clamp.emit_cut(emitter, step, before, clamp_codes(step, grid))
