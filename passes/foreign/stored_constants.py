"""Read the constants of a quantized model: the codes that it stores, and the numbers they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.find_layer import every_group
from edgeq.graph.read import attribute_int, constant, is_op, operator_of
from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.grid import PerChannel, QuantParams, dequantize


@dataclass(frozen=True, eq=False)
class StoredConstant:
    """A constant and how it is stored."""

    #: the codes; without a grid, the real numbers
    array: AnyArray
    #: None: the file holds real numbers
    grid: QuantParams | None

    @property
    def real(self) -> F64:
        """The numbers that it stands for."""
        return self.array.astype(np.float64) if self.grid is None else dequantize(self.array, self.grid).astype(np.float64)


def stored_constant(value: ir.Value | None) -> StoredConstant | None:
    """A constant, or the constant behind a DequantizeLinear; None for every other value."""
    maker = None if value is None else value.producer()
    if maker is None or not is_op(maker, "DequantizeLinear"):
        array = constant(value)
        return None if array is None else StoredConstant(array, None)
    array, grid = constant(maker.inputs[0]), grid_of(maker)
    if array is None or grid is None or attribute_int(maker, "block_size", 0) or not _fits(array, grid):
        return None
    return StoredConstant(array, grid)


def _fits(array: AnyArray, grid: QuantParams) -> bool:
    """Whether the array has an entry along the axis for each scale."""
    along = grid.granularity
    if not isinstance(along, PerChannel):
        return True
    return -array.ndim <= along.axis < array.ndim and array.shape[along.axis] == grid.scale.size


def output_axis(node: ir.Node, rank: int) -> int:
    """The axis of a layer's weight of `rank` dimensions that holds its output channels."""
    axis = operator_of(node).weight_axis % rank
    return 1 - axis if is_op(node, "Gemm") and attribute_int(node, "transB", 0) else axis


def output_channels(node: ir.Node, weight: AnyArray) -> int:
    """The number of output channels of a layer with this weight."""
    groups = attribute_int(node, "group", 1) if is_op(node, "ConvTranspose") else 1
    return int(weight.shape[output_axis(node, weight.ndim)]) * groups


def accumulator_scale(node: ir.Node, weight: StoredConstant) -> F32 | None:
    """Input scale * weight scale of a layer, float32, () or one an output channel.

    None where the input is not quantized, or the scales of the weight lie along another axis.
    """
    source = node.inputs[0].producer() if node.inputs[0] is not None else None
    grid = grid_of(source) if source is not None and is_op(source, "DequantizeLinear") else None
    if grid is None or weight.grid is None or grid.scale.size != 1:
        return None
    along = weight.grid.granularity
    if isinstance(along, PerChannel) and along.axis % weight.array.ndim != output_axis(node, weight.array.ndim):
        return None
    return every_group(node, np.asarray(np.float32(grid.scale) * weight.grid.scale, np.float32))


def output_step(node: ir.Node) -> float | None:
    """The scale of the grid that the node's output goes to, through Relu and Clip; None: none."""
    value = node.outputs[0]
    while len(value.uses()) == 1:
        reader = next(iter(value.uses())).node
        if is_op(reader, "QuantizeLinear"):
            grid = grid_of(reader)
            return float(grid.scale) if grid is not None and grid.scale.size == 1 else None
        if not is_op(reader, "Relu", "Clip"):
            return None
        value = reader.outputs[0]
    return None
