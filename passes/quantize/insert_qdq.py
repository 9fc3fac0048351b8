"""Insert a QuantizeLinear and a DequantizeLinear behind every activation that has a grid."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import is_op
from edgeq.numerics.grid import QuantParams
from edgeq.passes.quantize.qdq import grid_constants, qdq_node


@dataclass(frozen=True)
class InsertQdq(ir.passes.InPlacePass):
    """Quantize and dequantize the named values where they are made.

    Before:  y = Conv(x, w)   z = Conv(y, v)
    After:   y = Conv(x, w)
             y_quantized = QuantizeLinear(y, s, z)
             y_dequantized = DequantizeLinear(y_quantized, s, z)
             z = Conv(y_dequantized, v)

    A graph output keeps its name: the dequantized value takes it, and the float value is renamed to
    <name>_float. Values with equal grids share the initializers of the grid.
    """

    #: value name -> grid
    grids: Mapping[str, QuantParams]
    #: values that only the `integer_nodes` read quantized; other readers keep the float value
    float_readers: Set[str]
    #: names of the nodes that read the values in `float_readers` quantized
    integer_nodes: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        modified = False
        for graph in [model.graph, *model.graph.subgraphs()]:
            shared: dict[tuple[str, bytes, bytes], tuple[ir.Value, ir.Value]] = {}
            made = [*graph.inputs, *(v for node in graph for v in node.outputs)]
            for value in made:
                grid = self.grids.get(str(value.name))
                if grid is None or _has_pair(value):
                    continue
                key = (grid.dtype, grid.scale.tobytes(), grid.zero_point.tobytes())
                if key not in shared:
                    shared[key] = grid_constants(graph, grid, str(value.name), names)
                self._insert(graph, value, shared[key], names)
                modified = True
        return ir.passes.PassResult(model, modified)

    def _insert(self, graph: ir.Graph, value: ir.Value, grid: tuple[ir.Value, ir.Value], names: Names) -> None:
        name, (scale, zero) = str(value.name), grid
        readers = list(value.uses())
        keep = name in self.float_readers
        output = names.value(f"{name}_dequantized")
        down = qdq_node("QuantizeLinear", value, scale, zero, None, names.node(f"{name}_QuantizeLinear"), names.value(f"{name}_quantized"))
        up = qdq_node("DequantizeLinear", down.outputs[0], scale, zero, None, names.node(f"{name}_DequantizeLinear"), output)
        producer = value.producer()
        if producer is None:
            graph.insert_before(graph[0], (down, up))
        else:
            graph.insert_after(producer, (down, up))
        for node, index in readers:
            if not keep or node.name in self.integer_nodes:
                node.replace_input_with(index, up.outputs[0])
        if value.is_graph_output() and not keep:
            _take_over_output(graph, value, up.outputs[0], names)


def _has_pair(value: ir.Value) -> bool:
    return is_op(value.producer(), "DequantizeLinear") or any(is_op(use.node, "QuantizeLinear") for use in value.uses())


def _take_over_output(graph: ir.Graph, value: ir.Value, result: ir.Value, names: Names) -> None:
    """Make `result` the graph output in place of `value`, with its name, type and shape."""
    name = str(value.name)
    for index, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[index] = result
    value.name = names.value(f"{name}_float")
    result.name, result.shape, result.type = name, value.shape, value.type
