"""The table of operators on codes: how each is written as TFLite and run by the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeq.errors import UnsupportedOp
from edgeq.graph.read import ONNX_DOMAINS
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.ops import (
    binary,
    boundary,
    clamp,
    concat,
    conv,
    conv_transpose,
    extremes,
    fixed_grid,
    fully_connected,
    gather,
    hard_swish,
    leaky_relu,
    lookup,
    mean,
    pad,
    parts,
    pool,
    reshape,
    resize,
    transpose,
)
from edgeq.integers.tflite.emitter import Emitter

Emit = Callable[[Emitter, IntegerOp], None]
Run = Callable[[Machine, IntegerOp], None]


@dataclass(frozen=True)
class IntegerOperator:
    """How the operators of one family are written as TFLite and run in numpy."""

    #: ONNX's names, or the graph reader's names for a step: Requantize, Lookup
    op_types: tuple[str, ...]
    #: writes the step; None where TFLite has no int8 operator for it
    emit: Emit | None
    #: computes the codes of the step's outputs
    run: Run
    #: whether `emit` also writes a following Relu or Clip where TFLite can fuse it; otherwise the
    #: clamp becomes an operator of its own
    fuses: bool = False


OPERATORS: tuple[IntegerOperator, ...] = (
    IntegerOperator(("QuantizeLinear",), boundary.emit_quantize, boundary.run_quantize),
    IntegerOperator(("DequantizeLinear",), boundary.emit_dequantize, boundary.run_dequantize),
    IntegerOperator(("Requantize",), boundary.emit_requantize, boundary.run_requantize),
    IntegerOperator(("Lookup",), lookup.emit, lookup.run),
    IntegerOperator(("Conv",), conv.emit, conv.run, fuses=True),
    IntegerOperator(("ConvTranspose",), conv_transpose.emit, conv_transpose.run),
    IntegerOperator(("Gemm",), fully_connected.emit_gemm, fully_connected.run_gemm, fuses=True),
    IntegerOperator(("MatMul",), fully_connected.emit_matmul, fully_connected.run_matmul, fuses=True),
    IntegerOperator(("Add", "Sub", "Mul"), binary.emit, binary.run, fuses=True),
    IntegerOperator(("Concat",), concat.emit, concat.run),
    IntegerOperator(("MaxPool", "AveragePool"), pool.emit, pool.run, fuses=True),
    IntegerOperator(("GlobalAveragePool", "ReduceMean"), mean.emit, mean.run),
    IntegerOperator(("Max", "Min"), extremes.emit, extremes.run),
    IntegerOperator(("ReduceMax", "ReduceMin", "GlobalMaxPool"), extremes.emit_reduced, extremes.run_reduced),
    IntegerOperator(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), extremes.emit_compared, extremes.run_compared),
    IntegerOperator(("Cast",), extremes.emit_flags, extremes.run_flags),
    IntegerOperator(("Resize",), resize.emit, resize.run),
    IntegerOperator(("Relu", "Clip"), clamp.emit, clamp.run),
    IntegerOperator(("HardSwish",), hard_swish.emit, hard_swish.run),
    IntegerOperator(("LeakyRelu",), leaky_relu.emit_leaky_relu, leaky_relu.run_leaky_relu),
    IntegerOperator(("PRelu",), leaky_relu.emit_prelu, leaky_relu.run_prelu),
    IntegerOperator(("Sigmoid",), fixed_grid.emit_sigmoid, fixed_grid.run_sigmoid),
    IntegerOperator(("Tanh",), fixed_grid.emit_tanh, fixed_grid.run_tanh),
    IntegerOperator(("Softmax",), fixed_grid.emit_softmax, fixed_grid.run_softmax),
    IntegerOperator(("LogSoftmax",), fixed_grid.emit_log_softmax, fixed_grid.run_log_softmax),
    IntegerOperator(("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape.emit, reshape.run),
    IntegerOperator(("DepthToSpace",), transpose.emit_depth_to_space, transpose.run_depth_to_space),
    IntegerOperator(("SpaceToDepth",), transpose.emit_space_to_depth, transpose.run_space_to_depth),
    IntegerOperator(("Gather",), gather.emit, gather.run),
    IntegerOperator(("ArgMax", "ArgMin"), gather.emit_arg, gather.run_arg),
    IntegerOperator(("Tile",), concat.emit_tile, concat.run_tile),
    IntegerOperator(("Expand",), concat.emit_expand, concat.run_expand),
    IntegerOperator(("Transpose",), transpose.emit, transpose.run),
    IntegerOperator(("Pad",), pad.emit, pad.run),
    IntegerOperator(("Slice",), parts.emit_slice, parts.run_slice),
    IntegerOperator(("Split",), parts.emit_split, parts.run_split),
)
_BY_TYPE = {op_type: operator for operator in OPERATORS for op_type in operator.op_types}
#: what selects or reshapes whole numbers that are no codes
ON_INDICES = IntegerOperator(
    ("Gather", "Slice", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"), gather.emit_indices, gather.run_indices
)


def integer_operator_of(step: IntegerOp) -> IntegerOperator | None:
    """The row of a step's operator; None where there is none."""
    if step.node.domain not in ONNX_DOMAINS:
        return None
    ends = [operand for operand in (*step.inputs[:1], *step.outputs) if operand is not None]
    if all(operand.is_index for operand in ends):
        return ON_INDICES if step.op_type in ON_INDICES.op_types else None
    return _BY_TYPE.get(step.op_type)


def run_of(step: IntegerOp) -> Run:
    """What computes a step. Raises UnsupportedOp for a step without a row."""
    operator = integer_operator_of(step)
    if operator is None:
        fix = "Quantize for a target of integers only, such as npu_int8."
        raise UnsupportedOp(f"The integer interpreter has no {step.op_type}.", f"node {step.name}", fix)
    return operator.run
