"""Let a model take raw pixels instead of the floats that an application computes from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.code_grids import GRID_KEY, grid_of, grid_record
from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import is_op
from edgeq.numerics.grid import QuantParams
from edgeq.passes.quantize.qdq import grid_constants, qdq_node
from edgeq.schema.pixels import PixelMap, pixel_key


@dataclass(frozen=True)
class PixelBoundary(ir.passes.InPlacePass):
    """Make the inputs uint8, and dequantize them with the pixels' grid where they are read.

    Before:  (float x)   q = QuantizeLinear(x, s, z)   y = Relu(x)
    After:   (uint8 x)   q = x                         y = Relu(DequantizeLinear(x, s, z))

    A QuantizeLinear with the pixels' own grid is removed. One to int8 stays behind the
    DequantizeLinear; together they subtract 128 from every code. Maps and grids are recorded in
    metadata_props, under edgeq.pixels.NAME and edgeq.grid.NAME.
    """

    #: input name -> how the application computes its floats from pixels
    maps: Mapping[str, PixelMap]
    #: input name -> the grid of the pixels
    grids: Mapping[str, QuantParams]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [value for value in model.graph.inputs if value.name in self.maps and value.dtype == ir.DataType.FLOAT]
        for value in found:
            name = str(value.name)
            _take(model.graph, value, self.grids[name], names)
            model.metadata_props[GRID_KEY + name] = grid_record(self.grids[name])
            model.metadata_props[pixel_key(name)] = self.maps[name].model_dump_json()
        if found:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=bool(found))


def _take(graph: ir.Graph, value: ir.Value, grid: QuantParams, names: Names) -> None:
    value.type = ir.TensorType(ir.DataType.UINT8)
    uses = list(value.uses())
    own = [use.node for use in uses if is_op(use.node, "QuantizeLinear") and use.node.graph is graph and grid_of(use.node) == grid]
    readers = [use for use in uses if use.node not in own]
    for node in own:
        node.outputs[0].replace_all_uses_with(value, replace_graph_outputs=True)
        graph.remove(node, safe=True)
    if not readers:
        return
    scale, zero = grid_constants(graph, grid, f"{value.name}_pixel", names)
    stem = f"{value.name}_pixels"
    node = qdq_node(
        "DequantizeLinear", value, scale, zero, None, names.node(f"{stem}_DequantizeLinear"), names.value(f"{stem}_dequantized")
    )
    graph.insert_before(graph[0], node)
    for use in readers:
        use.node.replace_input_with(use.idx, node.outputs[0])
