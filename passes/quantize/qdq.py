"""Build QuantizeLinear and DequantizeLinear nodes, for the passes that insert them."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import owner
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import PerChannel, QuantParams


def grid_constants(graph: ir.Graph, grid: QuantParams, stem: str, names: Names) -> tuple[ir.Value, ir.Value]:
    """Add the scale and zero point of a grid as initializers named after `stem`."""
    scale = add_constant(graph, grid.scale, names.value(f"{stem}_scale"))
    zero = add_constant(graph, grid.zero_point.astype(grid.dtype), names.value(f"{stem}_zero_point"))
    return scale, zero


def qdq_node(op_type: str, value: ir.Value, scale: ir.Value, zero: ir.Value | None, axis: int | None, name: str, output: str) -> ir.Node:
    """A QuantizeLinear or DequantizeLinear node with a typed output, not yet in a graph."""
    attributes = [] if axis is None else [ir.AttrInt64("axis", axis)]
    inputs = [value, scale] if zero is None else [value, scale, zero]
    dtype = ir.DataType.FLOAT if op_type == "DequantizeLinear" or zero is None else zero.dtype
    result = ir.Value(name=output, shape=value.shape, type=ir.TensorType(dtype or ir.DataType.FLOAT))
    return ir.Node("", op_type, inputs, attributes, outputs=[result], name=name)


def dequantize_constant(before: ir.Node, integers: AnyArray, grid: QuantParams, stem: str, names: Names) -> ir.Value:
    """Add integers as an initializer, and a DequantizeLinear just before a node.

    Returns the float value.
    """
    graph = owner(before)
    axis = grid.granularity.axis if isinstance(grid.granularity, PerChannel) else None
    stored = add_constant(graph, integers, names.value(f"{stem}_quantized"))
    scale, zero = grid_constants(graph, grid, stem, names)
    output = names.value(f"{stem}_dequantized")
    node = qdq_node("DequantizeLinear", stored, scale, zero, axis, names.node(f"{stem}_DequantizeLinear"), output)
    graph.insert_before(before, node)
    return node.outputs[0]
