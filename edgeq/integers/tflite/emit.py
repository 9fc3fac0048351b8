"""From a QDQ model to the bytes of a .tflite file: integers throughout, channels last, no
TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadModel, UnsupportedOp
from edgeq.graph.freeze import freeze_shapes
from edgeq.integers.coded_inputs import pixel_inputs
from edgeq.integers.graph import IntegerOp, Operand, integer_graph
from edgeq.integers.tflite import activations, arithmetic, layers, movement
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.flatbuffer import TfModel, TfTensor, require_tflite, to_bytes
from edgeq.integers.tflite.layout import stored
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.version import __version__

#: what of a model's own record goes into the file
_RECORD = ("edgeq.target", "edgeq.recipe", "edgeq.model", "edgeq.data", "edgeq.plan", "edgeq.gate")


def emit_tflite(model: ir.Model) -> bytes:
    """The .tflite form of a QDQ model whose integers are all of 8 bits (uint8 becomes int8,
    exactly).

    A dynamic first dimension of an input becomes 1. Images are taken and given channels last: [N,
    C, H, W] -> [N, H, W, C]. Float inputs and outputs get a QUANTIZE and a DEQUANTIZE; inputs of
    raw pixels stay uint8, with a QUANTIZE behind them. Raises UnsupportedOp that names the node,
    BadModel for sizes that are not known, MissingExtra without the extra [tflite].
    """
    require_tflite()
    graph = integer_graph(fixed_batch(model))
    steps = tuple(step for step in graph.steps if computes(step))
    readers: dict[str, list[IntegerOp]] = {}
    for step in steps:
        for operand in step.inputs:
            if operand is not None:
                readers.setdefault(operand.name, []).append(step)
    emitter = Emitter(readers)
    pixels = pixel_inputs(model)
    inputs = [_pixels(emitter, operand) if operand.name in pixels else _end(emitter, operand) for operand in graph.inputs]
    for step in steps:
        _emit(emitter, step)
    outputs = [_made(emitter, operand) for operand in graph.outputs]
    record = {key: model.metadata_props[key] for key in _RECORD if key in model.metadata_props}
    metadata = {"edgeq": json.dumps(record, sort_keys=True).encode()} if record else {}
    tensors, operators = tuple(emitter.tensors), tuple(emitter.operators)
    return to_bytes(TfModel(tensors, operators, tuple(inputs), tuple(outputs), f"edgeq {__version__}", metadata))


def fixed_batch(model: ir.Model) -> ir.Model:
    """A copy for one sample a run, with every size that follows from the inputs' inferred and shape
    arithmetic folded.
    """
    copy = model.clone()
    shapes = {}
    for value in copy.graph.inputs:
        if value.name in copy.graph.initializers or value.shape is None:
            continue
        sizes = [1 if axis == 0 and not isinstance(size, int) else size for axis, size in enumerate(value.shape)]
        if not all(isinstance(size, int) for size in sizes):
            fix = f"Quantize with --shape {value.name}=DIMS."
            raise BadModel(f"Input {value.name} has sizes that are not fixed.", f"input {value.name}: {value.shape}", fix)
        shapes[str(value.name)] = tuple(int(size) for size in sizes if isinstance(size, int))
    freeze_shapes(copy, shapes)
    for value in copy.graph.outputs:
        value.shape = None  # inferred anew for one sample
    InferShapes()(copy)
    while FoldConstants()(copy).modified | FoldShapes()(copy).modified:
        InferShapes()(copy)
    return copy


def computes(step: IntegerOp) -> bool:
    """Whether something flows through it at run time; constants and their arithmetic are read where
    they are used.
    """
    return any(operand is not None and operand.data is None for operand in step.inputs)


def _end(emitter: Emitter, operand: Operand) -> int:
    """The tensor of a model input."""
    if operand.shape is None or not (operand.is_float or operand.grid is not None):
        raise BadModel(f"Input {operand.name} is neither float nor codes.", operand.name, "Feed it as a constant: fold it into the model.")
    tensor = emitter.scratch(operand.name, stored(operand.shape), operand.grid)
    emitter.index[operand.name] = tensor
    return tensor


def _pixels(emitter: Emitter, operand: Operand) -> int:
    """The uint8 tensor of a model input, and the int8 tensor that all else reads: the same codes,
    128 less.
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
        raise BadModel(f"Output {operand.name} is computed by no operator.", operand.name, "Take it off the model.")
    return emitter.index[operand.name]


def _emit(emitter: Emitter, step: IntegerOp) -> None:
    found = _OPERATORS.get(step.op_type)
    if found is None or step.node.domain not in ("", "ai.onnx"):
        what = f"TFLite's int8 operators have none for {step.op_type}."
        raise UnsupportedOp(what, f"node {step.name}", "Quantize for target mcu_tflite, which says what it has.")
    found(emitter, step)


def _quantize(emitter: Emitter, step: IntegerOp) -> None:
    """A float input of the model becomes codes."""
    source = step.inputs[0]
    assert source is not None
    if source.name not in emitter.index:
        what = f"Value {source.name} is float inside of the model; TFLite's int8 models have no float operators."
        raise UnsupportedOp(what, f"node {step.name}", "Quantize for target mcu_tflite, without nodes kept float.")
    emitter.op("QUANTIZE", [emitter.index[source.name]], [emitter.output(step)], "QuantizeOptions")


def _dequantize(emitter: Emitter, step: IntegerOp) -> None:
    """Codes become a float output of the model."""
    source = step.inputs[0]
    assert source is not None
    final = emitter.add(TfTensor(step.outputs[0].name, emitter.tensors[emitter.tensor(source, step)].shape, "float32"))
    emitter.index[step.outputs[0].name] = final
    emitter.op("DEQUANTIZE", [emitter.tensor(source, step)], [final], "DequantizeOptions", version=2)


_OPERATORS: dict[str, Callable[[Emitter, IntegerOp], None]] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "Requantize": arithmetic.requantize,
    "Conv": layers.conv,
    "ConvTranspose": layers.transpose_conv,
    "Gemm": layers.gemm,
    "MatMul": layers.matmul,
    "Add": arithmetic.binary,
    "Sub": arithmetic.binary,
    "Mul": arithmetic.binary,
    "Concat": arithmetic.concat,
    "MaxPool": arithmetic.pool,
    "AveragePool": arithmetic.pool,
    "GlobalAveragePool": arithmetic.mean,
    "ReduceMean": arithmetic.mean,
    "Resize": arithmetic.resize,
    "Relu": activations.clamp,
    "Clip": activations.clamp,
    "HardSwish": activations.hard_swish,
    "LeakyRelu": activations.leaky_relu,
    "PRelu": activations.prelu,
    "Sigmoid": activations.logistic,
    "Tanh": activations.tanh,
    "Softmax": activations.softmax,
    "Reshape": movement.reshape,
    "Flatten": movement.reshape,
    "Squeeze": movement.reshape,
    "Unsqueeze": movement.reshape,
    "Transpose": movement.transpose,
    "Pad": movement.pad,
    "Slice": movement.slice_,
    "Split": movement.split,
}
