"""The state of one emission: tensors and operators so far, and the moves that several operators
need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeq.graph.edit import free_name
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.operands import refused, shape_of
from edgeq.integers.signed import signed, signed_codes
from edgeq.integers.tflite.flatbuffer import Number, TfOperator, TfTensor
from edgeq.integers.tflite.layout import inverse, keeps_order, order, permuted, stored
from edgeq.numerics.arrays import AnyArray, Ints
from edgeq.numerics.grid import PerTensor, QuantParams


@dataclass
class Emitter:
    """The tensors and operators of one .tflite file, while they are written."""

    #: name of a value -> the steps that read it
    readers: Mapping[str, Sequence[IntegerOp]]
    #: of the file so far; a tensor is spoken of by its place here
    tensors: list[TfTensor] = field(default_factory=list)
    #: of the file so far, in the order of execution
    operators: list[TfOperator] = field(default_factory=list)
    #: name of a value -> the place of its tensor
    index: dict[str, int] = field(default_factory=dict)
    #: name of a matrix of rows that were images and are left in TFLite's order -> (channels,
    #: height, width)
    flattened: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def add(self, tensor: TfTensor) -> int:
        """A tensor under a free name."""
        self.tensors.append(TfTensor(**{**vars(tensor), "name": free_name(tensor.name, self._names)}))
        return len(self.tensors) - 1

    def ints(self, name: str, numbers: Sequence[int] | Ints) -> int:
        """A constant of int32 (axes, shapes)."""
        array = np.asarray(numbers, np.int32)
        return self.add(TfTensor(name, array.shape, "int32", data=array))

    def weight(self, name: str, codes: AnyArray, grid: QuantParams, axis: int) -> int:
        """A constant with its grid, in TFLite's layout already."""
        scale, zero = np.atleast_1d(grid.scale), np.atleast_1d(grid.zero_point).astype(np.int64)
        axis = 0 if isinstance(grid.granularity, PerTensor) else axis
        return self.add(TfTensor(name, codes.shape, str(codes.dtype), scale, zero, axis, codes))

    def scratch(self, name: str, shape: Sequence[int], grid: QuantParams | None) -> int:
        """A tensor that is made on the way; shape in TFLite's layout. grid None: float."""
        if grid is None:
            return self.add(TfTensor(name, tuple(shape), "float32"))
        grid = signed(grid)
        return self.add(TfTensor(name, tuple(shape), "int8", np.atleast_1d(grid.scale), np.atleast_1d(grid.zero_point).astype(np.int64)))

    def tensor(self, operand: Operand, step: IntegerOp) -> int:
        """The tensor of an activation or of a constant operand, in TFLite's layout; made at its
        first use.
        """
        if operand.name not in self.index or operand.data is not None:
            shape = shape_of(operand, step)
            if operand.grid is None and not operand.is_float:
                raise refused(step, f"the grid of {operand.name} is unknown")
            if operand.data is not None and operand.grid is not None:
                return self.weight(operand.name, permuted(signed_codes(operand.data)), signed(operand.grid), 0)
            self.index[operand.name] = self.scratch(operand.name, stored(shape), operand.grid)
        return self.index[operand.name]

    def output(self, step: IntegerOp, number: int = 0) -> int:
        return self.tensor(step.outputs[number], step)

    def op(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        table: str | None = None,
        options: Mapping[str, Number] | None = None,
        version: int = 1,
    ) -> None:
        """One more operator."""
        self.operators.append(TfOperator(code, version, tuple(inputs), tuple(outputs), table, options or {}))

    def requantized(self, source: int, shape: Sequence[int], old: QuantParams, new: QuantParams, name: str) -> int:
        """The same tensor on another grid; itself where the grids are equal."""
        if signed(old) == signed(new):
            return source
        target = self.scratch(name, shape, new)
        self.op("QUANTIZE", [source], [target], "QuantizeOptions", version=2)
        return target

    def transposed(self, source: int, permutation: Sequence[int], target: int) -> None:
        """TRANSPOSE, or RESHAPE where no element moves."""
        if keeps_order(self.tensors[source].shape, permutation):
            self.reshaped(source, target)
        else:
            self.op("TRANSPOSE", [source, self.ints("permutation", permutation)], [target], "TransposeOptions", version=2)

    def reshaped(self, source: int, target: int) -> None:
        shape = self.tensors[target].shape
        self.op("RESHAPE", [source, self.ints("shape", shape)], [target], "ReshapeOptions")

    def plain(self, operand: Operand, step: IntegerOp) -> int:
        """The tensor in ONNX's own layout."""
        source, shape = self.tensor(operand, step), shape_of(operand, step)
        permutation = inverse(order(len(shape)))
        if permutation == tuple(range(len(shape))):
            return source
        target = self.scratch(f"{operand.name}_plain", shape, operand.grid)
        self.transposed(source, permutation, target)
        return target

    def plain_output(self, step: IntegerOp) -> tuple[int, int]:
        """A tensor in ONNX's layout to be written, and the one that it belongs into; equal where
        both layouts are the same.
        """
        final, shape = self.output(step), shape_of(step.outputs[0], step)
        if order(len(shape)) == tuple(range(len(shape))):
            return final, final
        return self.scratch(f"{step.outputs[0].name}_plain", shape, step.outputs[0].grid), final
