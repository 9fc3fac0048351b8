"""The state of one emission, and the layout and grid conversions that several operators need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgeq.graph.edit import FreeNames
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.operands import grid_in, refused, shape_of
from edgeq.integers.signed import signed, signed_codes
from edgeq.integers.tflite.flatbuffer import Number, TfOperator, TfTensor
from edgeq.integers.tflite.layout import inverse, keeps_order, order, permuted, tflite_shape
from edgeq.numerics.arrays import AnyArray, Ints
from edgeq.numerics.grid import PerTensor, QuantParams
from edgeq.numerics.nibbles import fits

#: operator -> its first version that takes int16 (tensorflow/lite/tools/versioning/op_version.cc)
TAKE_16_BITS = {
    "ADD": 3, "AVERAGE_POOL_2D": 3, "CONCATENATION": 3, "CONV_2D": 4, "DEPTHWISE_CONV_2D": 5, "DEQUANTIZE": 3, "GATHER": 4, "LOGISTIC": 3,
    "MAXIMUM": 4, "MAX_POOL_2D": 3, "MEAN": 3, "MINIMUM": 4, "MIRROR_PAD": 3, "MUL": 4, "PAD": 3, "PADV2": 3, "REDUCE_MAX": 3,
    "REDUCE_MIN": 3, "RELU": 3, "RESIZE_BILINEAR": 4, "RESIZE_NEAREST_NEIGHBOR": 4, "SOFTMAX": 3, "SUB": 5, "TANH": 3, "TRANSPOSE": 5,
}  # fmt: skip


@dataclass
class Emitter:
    """The tensors and operators of one .tflite file while it is written."""

    #: name of a value -> the steps that read it
    readers: Mapping[str, Sequence[IntegerOp]]
    #: whether weights of layers whose codes have 4 bits are stored as INT4
    packs: bool = False
    #: the tensors so far; a tensor is referred to by its index in this list
    tensors: list[TfTensor] = field(default_factory=list)
    #: the operators so far, in the order of execution
    operators: list[TfOperator] = field(default_factory=list)
    #: name of a value -> the index of its tensor
    index: dict[str, int] = field(default_factory=dict)
    #: name of a flattened image whose elements stay in TFLite's order -> (channels, height, width)
    flattened: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _names: FreeNames = field(default_factory=FreeNames)

    def add(self, tensor: TfTensor) -> int:
        """Add a tensor under a free name; returns its index."""
        self.tensors.append(TfTensor(**{**vars(tensor), "name": self._names.free(tensor.name)}))
        return len(self.tensors) - 1

    def ints(self, name: str, numbers: Sequence[int] | Ints) -> int:
        """Add an int32 constant, such as axes or a shape."""
        array = np.asarray(numbers, np.int32)
        return self.add(TfTensor(name, array.shape, "int32", data=array))

    def weight(self, name: str, codes: AnyArray, grid: QuantParams, axis: int) -> int:
        """Add a constant with its grid; the codes are in TFLite's layout already."""
        scale, zero = np.atleast_1d(grid.scale), np.atleast_1d(grid.zero_point).astype(np.int64)
        axis = 0 if isinstance(grid.granularity, PerTensor) else axis
        return self.add(TfTensor(name, codes.shape, str(codes.dtype), scale, zero, axis, codes))

    def packable(self, step: IntegerOp, codes: AnyArray) -> bool:
        """Whether the weight of a layer becomes INT4, for which TFLite Micro has kernels where the
        input has 8 bits.
        """
        return self.packs and fits(codes) and grid_in(step).dtype == "int8"

    def layer_weight(self, step: IntegerOp, codes: AnyArray, grid: QuantParams, axis: int) -> int:
        """Add the weight of a layer, two codes in a byte where that is wanted and all of them fit.

        codes: int8, in TFLite's layout.
        """
        place = self.weight(f"{step.name}_weight", np.ascontiguousarray(codes), grid, axis)
        if self.packable(step, codes):
            self.tensors[place] = replace(self.tensors[place], dtype="int4")
        return place

    def layer_version(self, weight: int, plain: int, packed: int) -> int:
        """The version of a layer's operator: the first that takes a weight of its type."""
        return packed if self.tensors[weight].dtype == "int4" else plain

    def scratch(self, name: str, shape: Sequence[int], grid: QuantParams | None) -> int:
        """Add an activation; `shape` is in TFLite's layout, and grid None makes it float."""
        if grid is None:
            return self.add(TfTensor(name, tuple(shape), "float32"))
        grid = signed(grid)
        return self.add(
            TfTensor(name, tuple(shape), grid.dtype, np.atleast_1d(grid.scale), np.atleast_1d(grid.zero_point).astype(np.int64))
        )

    def indices(self, name: str, shape: Sequence[int]) -> int:
        """Add int32 numbers that are no codes."""
        return self.add(TfTensor(name, tuple(shape), "int32"))

    def tensor(self, operand: Operand, step: IntegerOp) -> int:
        """The tensor of an activation or of a constant operand, in TFLite's layout.

        An activation's tensor is added at its first use, a constant at every use. Raises
        UnsupportedOp for an unknown size or grid.
        """
        if operand.name not in self.index or operand.data is not None:
            shape = shape_of(operand, step)
            if operand.is_index:
                self.index[operand.name] = self.indices(operand.name, shape)  # in ONNX's order, whatever its rank
                return self.index[operand.name]
            if operand.data is None and operand.dtype == "bool":  # the result of a comparison
                self.index[operand.name] = self.add(TfTensor(operand.name, tflite_shape(shape), "bool"))
                return self.index[operand.name]
            if operand.grid is None and not operand.is_float:
                raise refused(step, f"the grid of {operand.name} is unknown")
            if operand.data is not None and operand.grid is not None:
                return self.weight(operand.name, permuted(signed_codes(operand.data)), signed(operand.grid), 0)
            self.index[operand.name] = self.scratch(operand.name, tflite_shape(shape), operand.grid)
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
        """Add an operator. version: the first that takes 8 bits; it is raised for 16."""
        if any(self.tensors[place].dtype == "int16" for place in (*inputs, *outputs)):
            version = max(version, TAKE_16_BITS.get(code, version))
        self.operators.append(TfOperator(code, version, tuple(inputs), tuple(outputs), table, options or {}))

    def requantized(self, source: int, shape: Sequence[int], old: QuantParams, new: QuantParams, name: str) -> int:
        """The tensor on another grid, through a QUANTIZE; itself where the grids are equal."""
        if signed(old) == signed(new):
            return source
        target = self.scratch(name, shape, new)
        self.op("QUANTIZE", [source], [target], "QuantizeOptions", version=2)
        return target

    def transposed(self, source: int, permutation: Sequence[int], target: int) -> None:
        """Add a TRANSPOSE, or a RESHAPE where no element moves."""
        if keeps_order(self.tensors[source].shape, permutation):
            self.reshaped(source, target)
        else:
            self.op("TRANSPOSE", [source, self.ints("permutation", permutation)], [target], "TransposeOptions", version=2)

    def reshaped(self, source: int, target: int) -> None:
        shape = self.tensors[target].shape
        self.op("RESHAPE", [source, self.ints("shape", shape)], [target], "ReshapeOptions")

    def plain(self, operand: Operand, step: IntegerOp) -> int:
        """The tensor of an operand in ONNX's own layout."""
        source, shape = self.tensor(operand, step), shape_of(operand, step)
        permutation = inverse(order(len(shape)))
        if permutation == tuple(range(len(shape))):
            return source
        target = self.scratch(f"{operand.name}_plain", shape, operand.grid)
        self.transposed(source, permutation, target)
        return target

    def kept_output(self, step: IntegerOp, kept: tuple[int, ...]) -> int:
        """The tensor for a result that keeps axes of size 1, of which the output has none.

        kept: its ONNX shape. `dropped` brings it to the output; where the shapes are equal, it is
        the output.
        """
        if kept == shape_of(step.outputs[0], step):
            return self.output(step)
        return self.scratch(f"{step.outputs[0].name}_kept", tflite_shape(kept), step.outputs[0].grid)

    def dropped(self, step: IntegerOp, source: int, kept: tuple[int, ...]) -> None:
        """Bring the result of `kept_output` to the shape of the output, in ONNX's order."""
        wanted = shape_of(step.outputs[0], step)
        if kept == wanted:
            return
        permutation = inverse(order(len(kept)))
        if not keeps_order(self.tensors[source].shape, permutation):
            plain = self.scratch(f"{step.outputs[0].name}_plain_kept", kept, step.outputs[0].grid)
            self.transposed(source, permutation, plain)
            source = plain
        target, final = self.plain_output(step)
        self.reshaped(source, target)
        if target != final:
            self.transposed(target, order(len(wanted)), final)

    def plain_output(self, step: IntegerOp) -> tuple[int, int]:
        """A tensor in ONNX's layout to write into, and the output tensor that it is transposed to.

        Both are the same tensor where the two layouts are equal.
        """
        final, shape = self.output(step), shape_of(step.outputs[0], step)
        if order(len(shape)) == tuple(range(len(shape))):
            return final, final
        return self.scratch(f"{step.outputs[0].name}_plain", shape, step.outputs[0].grid), final
