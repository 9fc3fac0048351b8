"""Give a quantized Tanh an integer kernel: that of Sigmoid, at twice the scale."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import is_op, nodes, only_consumer, owner
from edgeq.numerics.grid import LIMITS, PerTensor, QuantParams
from edgeq.passes.quantize.qdq import grid_constants, qdq_node

#: the scale at which the codes of the result are read: 256 of them for the range [-1, 1)
STEP = 1 / 128


@dataclass(frozen=True)
class TanhToSigmoid(ir.passes.InPlacePass):
    """Rewrite DequantizeLinear -> Tanh -> QuantizeLinear as a Sigmoid of doubled numbers.

    Before:  f = DequantizeLinear(q, s, z)   y = Tanh(f)   r = QuantizeLinear(y, 1/128, 128)
    After:   f = DequantizeLinear(q, 2 s, z)   y = Sigmoid(f)   r = QuantizeLinear(y, 1/256, 0)

    tanh(x) = 2 sigmoid(2 x) - 1, so the codes r stay the same: 256 sigmoid(2 x) = 128 tanh(x) +
    128. Whoever dequantizes them with 1/128 and 128 (of int8: 0) reads a Tanh. onnxruntime has an
    integer kernel for Sigmoid, and none for Tanh.
    """

    #: names of the nodes that are rewritten; others and those on another grid are left alone
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        found = [(node, grid) for node in nodes(model) if node.name in self.names and (grid := _source_grid(node)) is not None]
        for node, grid in found:
            _rewrite(node, grid, free)
        return ir.passes.PassResult(model, modified=bool(found))


def _source_grid(node: ir.Node) -> QuantParams | None:
    """The grid of the codes that a Tanh reads, if those that it makes are on the grid of a Tanh."""
    source, after = node.inputs[0] if node.inputs else None, only_consumer(node.outputs[0])
    before = None if source is None else source.producer()
    if not is_op(node, "Tanh") or before is None or after is None or not is_op(before, "DequantizeLinear"):
        return None
    grid, made = grid_of(before), grid_of(after) if is_op(after, "QuantizeLinear") else None
    if grid is None or made is None or grid.scale.size != 1 or made.scale.size != 1:
        return None
    middle = sum(LIMITS[made.dtype]) // 2 + 1
    return grid if float(made.scale) == STEP and int(made.zero_point) == middle else None


def _rewrite(node: ir.Node, grid: QuantParams, free: Names) -> None:
    graph, source, after = owner(node), node.inputs[0], only_consumer(node.outputs[0])
    before = None if source is None else source.producer()
    assert before is not None and after is not None and before.inputs[0] is not None
    twice = add_constant(graph, np.asarray(2 * grid.scale, np.float32), free.value(f"{node.name}_input_scale"))
    name, output = free.node(f"{node.name}_doubled"), free.value(f"{node.name}_doubled")
    doubled = qdq_node("DequantizeLinear", before.inputs[0], twice, before.inputs[2], None, name, output)
    graph.insert_before(node, doubled)
    node.replace_input_with(0, doubled.outputs[0])
    if not before.outputs[0].uses() and not before.outputs[0].is_graph_output():
        graph.remove(before, safe=True)
    made = grid_of(after)
    assert made is not None
    low = np.asarray(LIMITS[made.dtype][0], np.int32)
    sigmoid = QuantParams(made.dtype, np.asarray(STEP / 2, np.float32), low, PerTensor())
    for index, value in enumerate(grid_constants(graph, sigmoid, f"{node.name}_sigmoid", free), start=1):
        after.replace_input_with(index, value)
    node.op_type = "Sigmoid"
