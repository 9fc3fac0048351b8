"""Apply the movement behind a dequantized constant to its codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import attribute_ints, constant, is_op, nodes, operator_of, owner
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import PerChannel, PerTensor, QuantParams
from edgeq.passes.quantize.qdq import dequantize_constant


@dataclass(frozen=True)
class FoldMovedWeights(ir.passes.InPlacePass):
    """Transpose or reshape the codes of a weight instead of its real numbers.

    Before:  f = DequantizeLinear <axis = 0> (w, s, z)   t = Transpose(f)   y = MatMul(x, t)
    After:   t = DequantizeLinear <axis = 1> (w2, s, z)                     y = MatMul(x, t)

    A Reshape and its like are folded where the tensor has one scale.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        folded = [_fold(node, names) for node in list(nodes(model))]
        if any(folded):
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=any(folded))


def _fold(node: ir.Node, names: Names) -> bool:
    source = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    if source is None or not is_op(source, "DequantizeLinear") or len(node.outputs) != 1 or node.outputs[0].is_graph_output():
        return False
    codes, grid = constant(source.inputs[0]), grid_of(source)
    moved = None if codes is None or grid is None else _moved(node, codes, grid)
    if moved is None:
        return False
    result = node.outputs[0]
    made = dequantize_constant(node, *moved, str(result.name), names)
    made.shape, made.type = ir.Shape(moved[0].shape), ir.TensorType(ir.DataType.FLOAT)
    result.replace_all_uses_with(made)
    graph = owner(node)
    graph.remove(node, safe=True)
    if not source.outputs[0].uses() and not source.outputs[0].is_graph_output():
        graph.remove(source, safe=True)
    return True


def _moved(node: ir.Node, codes: AnyArray, grid: QuantParams) -> tuple[AnyArray, QuantParams] | None:
    """The codes as the node leaves them, and their grid; None: the node is not folded."""
    if is_op(node, "Transpose"):
        order = attribute_ints(node, "perm") or tuple(reversed(range(codes.ndim)))
        along = grid.granularity
        if isinstance(along, PerChannel):
            along = PerChannel(order.index(along.axis % codes.ndim))
        return np.ascontiguousarray(codes.transpose(order)), replace(grid, granularity=along)
    shape = node.outputs[0].shape
    if operator_of(node).moves != "views" or not isinstance(grid.granularity, PerTensor) or shape is None:
        return None
    sizes = [size for size in shape if isinstance(size, int)]
    return (codes.reshape(sizes), grid) if len(sizes) == len(shape) else None
