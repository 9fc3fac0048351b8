"""Run an int8 graph in integers: codes in, codes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadData, UnsupportedOp
from edgeq.integers.graph import IntegerGraph, IntegerOp, Operand, integer_graph
from edgeq.integers.interpreter import functions, layers, movement
from edgeq.integers.interpreter.arithmetic import Machine, Overflow, Requantization
from edgeq.integers.tflite.emit import computes, fixed_batch
from edgeq.numerics.arrays import I64, AnyArray, Ints
from edgeq.numerics.grid import QuantParams, quantize


@dataclass(frozen=True, eq=False)
class IntegerRun:
    """outputs: name -> codes, of the dtype of their grid. overflows: accumulators that left int32,
    empty for a sound model.
    """

    outputs: Mapping[str, Ints]
    overflows: tuple[Overflow, ...]


class Interpreter:
    """An int8 model, opened for runs in numpy: int32 accumulators, TFLite's fixed-point
    requantization (or float, as ONNX defines it).
    """

    def __init__(self, model: ir.Model, requantization: Requantization = "fixed_point") -> None:
        self.graph: IntegerGraph = integer_graph(fixed_batch(model))
        self.requantization: Requantization = requantization
        self.steps = tuple(step for step in self.graph.steps if computes(step))
        for step in self.steps:
            if step.op_type not in _OPERATORS:
                fix = "Quantize for a target of integers only, such as npu_int8."
                raise UnsupportedOp(f"The integer interpreter has no {step.op_type}.", f"node {step.name}", fix)
        self.input_grids = {operand.name: self._grid(operand) for operand in self.graph.inputs}
        self.output_grids = {operand.name: self._output_grid(operand) for operand in self.graph.outputs}

    def run(self, feeds: Mapping[str, AnyArray]) -> IntegerRun:
        """feeds: floats, or codes of the input's dtype, [N, ...]. Raises BadData when one is
        missing.
        """
        values: dict[str, I64] = {}
        for name, grid in self.input_grids.items():
            if name not in feeds:
                raise BadData("A model input has no feed.", name, "Give an array for every model input.")
            values[name] = _signed_codes(feeds[name], grid)
        machine = Machine(self.requantization, values)
        for step in self.steps:
            _OPERATORS[step.op_type](machine, step)
        found = {name: _codes(machine.values[name], grid) for name, grid in self.output_grids.items()}
        return IntegerRun(found, tuple(machine.overflows))

    def _grid(self, operand: Operand) -> QuantParams:
        """Of a model input: its own, or that of the QuantizeLinear behind it."""
        if operand.grid is not None:
            return operand.grid
        for step in self.steps:
            first = step.inputs[0]
            if step.op_type == "QuantizeLinear" and first is not None and first.name == operand.name and step.outputs[0].grid is not None:
                return step.outputs[0].grid
        raise UnsupportedOp("A model input is read as a float.", operand.name, "Quantize for a target of integers only.")

    def _output_grid(self, operand: Operand) -> QuantParams:
        if operand.grid is not None:
            return operand.grid
        for step in self.steps:
            first = step.inputs[0]
            if step.op_type == "DequantizeLinear" and step.outputs[0].name == operand.name and first is not None and first.grid is not None:
                return first.grid
        raise UnsupportedOp("A model output is made as a float.", operand.name, "Quantize for a target of integers only.")


def _signed_codes(array: AnyArray, grid: QuantParams) -> I64:
    codes = array if array.dtype.kind in "iu" else quantize(array.astype(np.float32), grid)
    return codes.astype(np.int64) - (128 if grid.dtype == "uint8" else 0)


def _codes(signed: I64, grid: QuantParams) -> Ints:
    return np.asarray(signed + (128 if grid.dtype == "uint8" else 0)).astype(grid.dtype)


_OPERATORS: dict[str, Callable[[Machine, IntegerOp], None]] = {
    "QuantizeLinear": functions.quantize,
    "DequantizeLinear": functions.dequantize,
    "Requantize": functions.requantize,
    "Lookup": functions.lookup,
    "Conv": layers.conv,
    "ConvTranspose": layers.transpose_conv,
    "Gemm": layers.gemm,
    "MatMul": layers.gemm,
    "Add": functions.add,
    "Sub": functions.add,
    "Mul": functions.mul,
    "Concat": movement.concat,
    "MaxPool": movement.pool,
    "AveragePool": movement.pool,
    "GlobalAveragePool": movement.mean,
    "ReduceMean": movement.mean,
    "Resize": movement.resize,
    "Relu": functions.clamp,
    "Clip": functions.clamp,
    "HardSwish": functions.hard_swish,
    "LeakyRelu": functions.leaky_relu,
    "PRelu": functions.prelu,
    "Sigmoid": functions.sigmoid,
    "Tanh": functions.tanh,
    "Softmax": functions.softmax,
    "Reshape": movement.reshape,
    "Flatten": movement.reshape,
    "Squeeze": movement.reshape,
    "Unsqueeze": movement.reshape,
    "Transpose": movement.transpose,
    "Pad": movement.pad,
    "Slice": movement.slice_,
    "Split": movement.split,
}
