"""Let a model take and return codes instead of floats."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.code_grids import GRID_KEY, grid_of, grid_record
from edgeq.graph.edit import Names
from edgeq.graph.read import is_op


@dataclass(frozen=True)
class IntegerBoundary(ir.passes.InPlacePass):
    """Remove the QuantizeLinear at the inputs and the DequantizeLinear at the outputs.

    Before:  (float x) => (float y)
             q = QuantizeLinear(x, s, z)   r = ... (q)   y = DequantizeLinear(r, t, u)
    After:   (int8 x) => (int8 y)
             y = ... (x)

    1. An input whose readers are all QuantizeLinear nodes with one grid takes its codes.
    2. An output that a DequantizeLinear makes returns the codes that this node read, unless they
       are another output already. Nodes that read the numbers as well keep the DequantizeLinear,
       whose result gets a name of its own.

    The names stay, and the types become those of the codes. The grids are recorded in
    metadata_props, under edgeq.grid.NAME.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        changed = [_take(model, value) for value in graph.inputs]
        changed += [_give(model, value) for value in dict.fromkeys(graph.outputs)]  # a model may list an output twice
        return ir.passes.PassResult(model, modified=any(changed))


def _take(model: ir.Model, value: ir.Value) -> bool:
    graph = model.graph
    readers = [use.node for use in value.uses()]
    if (
        not readers
        or _codes_type(readers[0]) is None
        or value.is_graph_output()
        or not all(is_op(n, "QuantizeLinear") and n.graph is graph for n in readers)
    ):
        return False
    if len({tuple(id(v) for v in n.inputs[1:]) for n in readers}) > 1:
        return False
    _record(model, value, readers[0])
    value.type = _codes_type(readers[0])
    for node in readers:
        node.outputs[0].replace_all_uses_with(value, replace_graph_outputs=True)
        graph.remove(node, safe=True)
    return True


def _give(model: ir.Model, value: ir.Value) -> bool:
    graph, node = model.graph, value.producer()
    if node is None or not is_op(node, "DequantizeLinear") or node.graph is not graph:
        return False
    codes = node.inputs[0]
    if codes is None or _codes_type(node) is None or codes.is_graph_output() or codes.is_graph_input() or codes.producer() is None:
        return False
    _record(model, value, node)
    codes.shape, codes.type = value.shape, _codes_type(node)
    for index in [i for i, output in enumerate(graph.outputs) if output is value]:
        graph.outputs[index] = codes
    name = value.name
    if value.uses():
        value.name = Names(model).value(f"{name}_dequantized")
    else:
        graph.remove(node, safe=True)
        value.name = None
    codes.name = name
    return True


def _codes_type(node: ir.Node) -> ir.TensorType | None:
    """The type of the codes that a QuantizeLinear makes or a DequantizeLinear reads."""
    grid = grid_of(node)
    return None if grid is None else ir.TensorType(ir.DataType[grid.dtype.upper()])


def _record(model: ir.Model, value: ir.Value, node: ir.Node) -> None:
    grid = grid_of(node)
    if grid is not None and grid.scale.size == 1:
        model.metadata_props[GRID_KEY + str(value.name)] = grid_record(grid)
