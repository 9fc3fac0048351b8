"""Let a model whose inputs or outputs are codes take and give floats again, to compare it with its float model."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph_edit import Names
from edgeq.integer_grids import GRID_KEY, known_grids
from edgeq.passes.qdq import grid_constants, qdq_node
from edgeq.quant import QuantParams


@dataclass(frozen=True)
class FloatBoundary(ir.passes.InPlacePass):
    """Undo IntegerBoundary: a QuantizeLinear behind each input that its record calls codes, a DequantizeLinear before each such output.

    Before:  (int8 x) => (int8 y)
    After:   (float x) => (float y)   q = QuantizeLinear(x, s, z)   y = DequantizeLinear(r, t, u)

    Only where metadata_props tell the grid, under edgeq.grid.NAME: other integer inputs are meant to be integers.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph, names = model.graph, Names(model)
        grids = {value.name: grid for value, grid in known_grids(model).items() if f"{GRID_KEY}{value.name}" in model.metadata_props}
        found = [value for value in graph.inputs if value.name in grids and value.dtype != ir.DataType.FLOAT]
        for value in found:
            _quantize(graph, value, grids[value.name], names)
        places = [i for i, value in enumerate(graph.outputs) if value.name in grids and value.dtype != ir.DataType.FLOAT]
        for index in places:
            _dequantize(graph, index, grids[graph.outputs[index].name], names)
        for value in (*found, *(graph.outputs[index] for index in places)):
            model.metadata_props.pop(f"{GRID_KEY}{value.name}", None)
        return ir.passes.PassResult(model, modified=bool(found or places))


def _quantize(graph: ir.Graph, value: ir.Value, grid: QuantParams, names: Names) -> None:
    readers = list(value.uses())
    scale, zero = grid_constants(graph, grid, str(value.name), names)
    node = qdq_node(
        "QuantizeLinear", value, scale, zero, None, names.node(f"{value.name}_QuantizeLinear"), names.value(f"{value.name}_codes")
    )
    graph.insert_before(graph[0], node)
    for reader, index in readers:
        reader.replace_input_with(index, node.outputs[0])
    value.type = ir.TensorType(ir.DataType.FLOAT)


def _dequantize(graph: ir.Graph, index: int, grid: QuantParams, names: Names) -> None:
    value = graph.outputs[index]
    name, maker = str(value.name), value.producer()
    assert maker is not None  # an output that is an input stays what it is: IntegerBoundary records none
    scale, zero = grid_constants(graph, grid, name, names)
    node = qdq_node("DequantizeLinear", value, scale, zero, None, names.node(f"{name}_DequantizeLinear"), names.value(f"{name}_float"))
    graph.insert_after(maker, node)
    result = node.outputs[0]
    graph.outputs[index] = result
    value.name = names.value(f"{name}_codes")
    result.name, result.shape = name, value.shape
