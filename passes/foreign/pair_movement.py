"""Give operators that move or select elements a grid on both sides, where one side has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.graph.read import constant, is_op, operator_of, scalar
from edgeq.numerics.grid import QuantParams, dequantize, quantize
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.foreign.pair import before, behind, float_source


@dataclass(frozen=True)
class PairMovement(ir.passes.InPlacePass):
    """Put Q/DQ pairs that change no number around Reshape, Transpose, MaxPool, Concat and the like.

    Before:  f = DequantizeLinear(q, s, z)   y = Reshape(f, shape)
    After:   f = DequantizeLinear(q, s, z)   r = Reshape(f, shape)
             y = DequantizeLinear(QuantizeLinear(r, s, z), s, z)

    1. Behind an operator whose inputs have one grid: what it hands on are numbers of that grid.
       Where another grid follows, the codes are requantized behind it.
    2. Before an operator whose output is quantized and whose input is not: quantizing first gives
       the same codes, since rounding keeps the order.

    Tools leave out these pairs where their runtime does not need them.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        order = list(model.graph)
        changed = [_before(node, names) for node in reversed(order)]
        changed += [_behind(model, node, names) for node in order]
        return ir.passes.PassResult(model, modified=any(changed))


def moves(node: ir.Node) -> bool:
    """Whether the node hands on elements of its data inputs, by place or by size."""
    operator = operator_of(node)
    return operator.exact and operator.elementwise is None and operator.makes is None and not operator.converts


def input_grids(node: ir.Node) -> list[QuantParams | None]:
    """The grid of each data input that is not constant; None: it is not dequantized."""
    found = []
    for index in operator_of(node).data_of(len(node.inputs)):
        value = node.inputs[index]
        maker = None if value is None else value.producer()
        if constant(value) is None:
            found.append(grid_of(maker) if maker is not None and is_op(maker, "DequantizeLinear") else None)
    return found


def _behind(model: ir.Model, node: ir.Node, names: Names) -> bool:
    if not (moves(node) or is_op(node, "Relu")) or not _only_activations(node):
        return False
    grids = input_grids(node)
    grid = grids[0] if grids else None
    if grid is None or grid.scale.size != 1 or any(other != grid for other in grids) or not _holds_fill(node, grid):
        return False
    values = list(node.outputs) if is_op(node, "Split") else list(node.outputs)[:1]
    open_ends = [value for value in values if (value.uses() or value.is_graph_output()) and not _goes_to(value, grid)]
    for value in open_ends:
        behind(model.graph, value, grid, names)
    return bool(open_ends)


def _only_activations(node: ir.Node) -> bool:
    """Whether no data input is a constant, which could lie off the grid."""
    return all(constant(node.inputs[index]) is None for index in operator_of(node).data_of(len(node.inputs)))


def _goes_to(value: ir.Value, grid: QuantParams) -> bool:
    """Whether the value is quantized to this grid, and nothing else reads it."""
    found = quantizers(value)
    return len(value.uses()) == len(found) == 1 and grid_of(found[0]) == grid and not value.is_graph_output()


def _holds_fill(node: ir.Node, grid: QuantParams) -> bool:
    """Whether the fill of a Pad, if the node is one, is a number of the grid."""
    if not is_op(node, "Pad") or node.attributes.get_string("mode", "constant") != "constant":
        return True
    value = node.inputs[2] if len(node.inputs) > 2 else None
    fill = 0.0 if value is None else scalar(value)
    if fill is None:
        return False
    number = np.asarray(fill, np.float32)
    return float(dequantize(quantize(number, grid), grid)) == float(number)


def _before(node: ir.Node, names: Names) -> bool:
    clamp = is_op(node, "Relu", "Clip")
    if not (moves(node) or clamp) or not node.outputs:
        return False
    value = node.outputs[0]
    found = quantizers(value)
    grid = grid_of(found[0]) if len(found) == 1 and len(value.uses()) == 1 and not value.is_graph_output() else None
    if grid is None or grid.scale.size != 1 or any(other.uses() for other in node.outputs[1:]):
        return False
    indices: dict[ir.Value, list[int]] = {}
    for index in (0,) if clamp else operator_of(node).data_of(len(node.inputs)):
        source = node.inputs[index]
        if source is not None and float_source(source) and (not clamp or source.is_graph_input()):
            indices.setdefault(source, []).append(index)
    for source, places in indices.items():
        before(node, places, source, grid, names)
    return bool(indices)
