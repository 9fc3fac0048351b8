"""Run a quantized model in integers: codes in, codes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadData, UnsupportedOp
from edgeq.integers.fixed_batch import fixed_batch
from edgeq.integers.graph import IntegerGraph, IntegerOp, Operand, integer_graph
from edgeq.integers.interpreter.machine import Machine, Overflow, Requantization
from edgeq.integers.ops.table import run_of
from edgeq.integers.signed import signed_codes
from edgeq.numerics.arrays import I64, AnyArray, Ints
from edgeq.numerics.grid import QuantParams, quantize


@dataclass(frozen=True, eq=False)
class IntegerRun:
    """The result of a run."""

    #: name -> codes [N, ...], with the dtype of their grid; indices with their own dtype
    outputs: Mapping[str, Ints]
    #: accumulators that overflowed int32; empty for a sound model
    overflows: tuple[Overflow, ...]


class Interpreter:
    """An int8 model, opened for runs in numpy.

    Accumulators are int32. Requantization is TFLite's fixed-point arithmetic, or float arithmetic
    as ONNX defines it. Raises UnsupportedOp for an operator without an integer kernel, and for a
    model input or output that is not quantized.
    """

    def __init__(self, model: ir.Model | IntegerGraph, requantization: Requantization = "fixed_point") -> None:
        """model: a quantized model, or what was read of a file."""
        self.graph = model if isinstance(model, IntegerGraph) else integer_graph(fixed_batch(model))
        self.requantization: Requantization = requantization
        self.steps = tuple(step for step in self.graph.steps if step.computes)
        self._kernels = tuple(run_of(step) for step in self.steps)
        #: inputs and outputs that hold codes; the others hold whole numbers, such as indices
        self.input_grids = {operand.name: self._grid(operand) for operand in self.graph.inputs if not operand.is_index}
        self.output_grids = {operand.name: self._output_grid(operand) for operand in self.graph.outputs if not operand.is_index}

    def run(self, feeds: Mapping[str, AnyArray]) -> IntegerRun:
        """Run the model on feeds [N, ...]: floats, or codes of the input's dtype.

        Raises BadData when a feed is missing.
        """
        machine = self.ran(feeds)
        found: dict[str, Ints] = {}
        for operand in self.graph.outputs:
            output, grid = machine.values[operand.name], self.output_grids.get(operand.name)
            found[operand.name] = output.astype(operand.dtype) if grid is None else _codes(output, grid)
        return IntegerRun(found, tuple(machine.overflows))

    def ran(self, feeds: Mapping[str, AnyArray]) -> Machine:
        """As `run`, but every value of the run, as int8 codes, and what overflowed."""
        values: dict[str, I64] = {}
        for operand in self.graph.inputs:
            name, grid = operand.name, self.input_grids.get(operand.name)
            if name not in feeds:
                raise BadData("A model input has no feed.", name, "Give an array for every model input.")
            values[name] = feeds[name].astype(np.int64) if grid is None else _signed_codes(feeds[name], grid)
        machine = Machine(self.requantization, values)
        for step, kernel in zip(self.steps, self._kernels, strict=True):
            kernel(machine, step)
        return machine

    def each_step(self, known: Mapping[str, AnyArray]) -> Iterator[tuple[IntegerOp, I64, I64]]:
        """Run every step on codes that another runtime made, so that no rounding adds up.

        known: name of a value -> its codes, of the dtype of their grid; those of all model inputs
        are needed. Yields each step whose first output is known, the int8 codes that it makes, and
        the known ones as int8. A value that is not known keeps the codes that were made here.
        """
        signed = {name: _as_signed(codes) for name, codes in known.items()}
        machine = Machine(self.requantization, dict(signed))
        for step, kernel in zip(self.steps, self._kernels, strict=True):
            kernel(machine, step)
            for number, output in enumerate(step.outputs):
                if output.name in signed:
                    made, machine.values[output.name] = machine.values[output.name], signed[output.name]
                    if number == 0:
                        yield step, made, signed[output.name]

    def _grid(self, operand: Operand) -> QuantParams:
        """The grid of a model input: its own, or that of the QuantizeLinear that reads it."""
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


def _as_signed(codes: AnyArray) -> I64:
    return signed_codes(codes).astype(np.int64)


def _codes(signed: I64, grid: QuantParams) -> Ints:
    return np.asarray(signed + (128 if grid.dtype == "uint8" else 0)).astype(grid.dtype)
