"""The state of reading a .tflite file: its tensors as operands, its operators as steps.

Values keep TFLite's layout. Where ONNX's operator wants images channels first, its step stands
between two transposes, which change no code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeq.errors import UnsupportedOp
from edgeq.graph.edit import FreeNames
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.ops.table import run_of
from edgeq.integers.reading.operation import Operation, computed
from edgeq.integers.tflite.flatbuffer import TfModel, TfOperator, TfTensor
from edgeq.integers.tflite.fused import FUSED
from edgeq.integers.tflite.layout import inverse, order
from edgeq.numerics.arrays import AnyArray, Ints
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams

Attributes = Mapping[str, int | float | str | Sequence[int]]
#: the types of a model's own numbers; constants may have others
_RUN_TIME = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")


class Builder:
    """The operands and operations so far."""

    def __init__(self, model: TfModel) -> None:
        self.model = model
        self._names = FreeNames()
        self.operands = [self._operand(tensor, place) for place, tensor in enumerate(model.tensors)]
        self.operations: list[Operation] = []
        #: name of a whole number -> the codes that it was made of, and the same with 128 added
        self.cast: dict[str, Operand] = {}
        self.lifted: dict[str, Operand] = {}
        self._steps: list[IntegerOp] = []
        self._now: TfOperator | None = None

    def begin(self, op: TfOperator) -> None:
        """Start an operator. Raises UnsupportedOp where it works on a type that none here has."""
        self._now, self._steps = op, []
        for operand in (*self.inputs, *self.outputs):
            if operand is not None and operand.data is None and operand.dtype not in _RUN_TIME:
                raise self.refused(f"it works on {operand.dtype}")

    def end(self) -> None:
        """Keep the operator that was started; compute one on constants alone here and now."""
        assert self._now is not None
        operation = Operation(self.outputs[0].name if self.outputs else "", self._now.code, self._read(), tuple(self.outputs),
                              tuple(self._steps))  # fmt: skip
        if operation.inputs:
            self.operations.extend([operation] if self._steps else [])
            return
        machine = Machine("fixed_point", {})
        for step in self._steps:
            run_of(step)(machine, step)
        for place in self._now.outputs:
            one = self.operands[place]
            if one.name in machine.values:
                self.operands[place] = replace(one, data=machine.values[one.name].astype(one.dtype))

    def _read(self) -> tuple[Operand, ...]:
        """What the steps read that is known only at run time: codes, where the file has indices of
        a table that were made of them.
        """
        made = {one.name for step in self._steps for one in step.outputs}
        return computed(tuple(one for step in self._steps for one in step.inputs if one is not None and one.name not in made))

    @property
    def inputs(self) -> list[Operand | None]:
        """The inputs of the operator; None for one that is left out."""
        assert self._now is not None
        return [None if place < 0 else self.operands[place] for place in self._now.inputs]

    @property
    def outputs(self) -> list[Operand]:
        assert self._now is not None
        return [self.operands[place] for place in self._now.outputs]

    def input(self, number: int) -> Operand:
        """An input that must be there. Raises UnsupportedOp."""
        found = self.inputs[number] if number < len(self.inputs) else None
        if found is None:
            raise self.refused(f"it has no input {number}")
        return found

    def numbers(self, number: int) -> Ints:
        """An input that must be a constant of whole numbers. Raises UnsupportedOp."""
        data = self.input(number).data
        if data is None or data.dtype.kind not in "iu":
            raise self.refused(f"its input {number} is not constant")
        return np.asarray(data.astype(np.int64))

    def listed(self, number: int) -> list[int]:
        """The same as a list."""
        return [int(one) for one in self.numbers(number).reshape(-1)]

    def option(self, name: str, default: int = 0) -> int:
        assert self._now is not None
        return int(self._now.options.get(name, default))

    def real(self, name: str, default: float) -> float:
        assert self._now is not None
        return float(self._now.options.get(name, default))

    def clamp(self) -> tuple[float, float] | None:
        """The bounds of the activation function that is fused into the operator."""
        kind = self.option("FusedActivationFunction")
        found = {number: bounds for bounds, number in FUSED.items()}
        if kind and kind not in found:
            raise self.refused(f"activation function {kind} is fused into it")
        return found.get(kind)

    def add(
        self, op_type: str, inputs: Sequence[Operand | None], outputs: Sequence[Operand], attributes: Attributes | None = None,
        clamp: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        """Add a step to the operator."""
        node = ir.node(op_type, [], dict(attributes or {}), name=self.outputs[0].name)
        self._steps.append(IntegerOp(op_type, node, tuple(inputs), tuple(outputs), clamp))

    def plain(self, op_type: str, attributes: Attributes | None = None, *further: Operand | None) -> None:
        """Add the step that reads the first input, and constants, and writes the outputs."""
        self.add(op_type, [self.input(0), *further], self.outputs, attributes, self.clamp())

    def image(self, op_type: str, source: Operand, further: Sequence[Operand | None], attributes: Attributes) -> None:
        """Add the step of an operator that ONNX has channels first."""
        if any(len(operand.shape or ()) != 4 for operand in (source, *self.outputs)):
            raise self.refused("it does not work on images")
        first, target = self.moved(source), self.scratch(self.outputs[0], _channels_first(self.outputs[0].shape))
        self.add(op_type, [first, *further], [target], attributes, self.clamp())
        self.add("Transpose", [target], self.outputs, {"perm": order(4)})

    def moved(self, source: Operand) -> Operand:
        """An image channels first; a constant is moved here and now."""
        permutation, shape = inverse(order(4)), _channels_first(source.shape)
        if source.data is not None:
            return Operand(source.name, source.dtype, shape, source.grid, np.ascontiguousarray(source.data.transpose(permutation)))
        target = self.scratch(source, shape)
        self.add("Transpose", [source], [target], {"perm": permutation})
        return target

    def scratch(self, like: Operand, shape: tuple[int, ...]) -> Operand:
        """A value between the steps of one operator, which the file does not have."""
        return Operand(self._names.free(f"{like.name} (inside)"), like.dtype, shape, like.grid)

    def constant(self, name: str, data: AnyArray, grid: QuantParams | None = None) -> Operand:
        return Operand(name, str(data.dtype), data.shape, grid, data)

    def refused(self, why: str) -> UnsupportedOp:
        assert self._now is not None
        where = f"the operator that makes {self.outputs[0].name}" if self.outputs else f"a {self._now.code}"
        return UnsupportedOp(f"edgeq's interpreter does not run this {self._now.code}: {why}.", where, "Run the file in LiteRT.")

    def _operand(self, tensor: TfTensor, place: int) -> Operand:
        name = self._names.free(tensor.name or f"tensor {place}")
        return Operand(name, tensor.dtype, tensor.shape, _grid(tensor), tensor.data)


def _grid(tensor: TfTensor) -> QuantParams | None:
    """The grid of a tensor of codes; None for floats and whole numbers."""
    if tensor.scale is None or tensor.zero_point is None or tensor.dtype not in LIMITS or (tensor.data is None and tensor.dtype == "int32"):
        return None
    if tensor.scale.size == 1:
        return QuantParams(tensor.dtype, np.asarray(tensor.scale[0], np.float32), np.asarray(tensor.zero_point[0], np.int32), PerTensor())
    zero = np.broadcast_to(tensor.zero_point, tensor.scale.shape).astype(np.int32)
    return QuantParams(tensor.dtype, tensor.scale, zero, PerChannel(tensor.axis))


def _channels_first(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    found = shape or ()
    return tuple(found[axis] for axis in inverse(order(len(found))))
