"""Let a model whose inputs or outputs are codes take and give floats again, to compare it with its
float model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import GRID_KEY, known_grids
from edgeq.graph.edit import Names, add_constant
from edgeq.numerics.grid import PerChannel, PerTensor, QuantParams
from edgeq.passes.quantize.qdq import grid_constants, qdq_node
from edgeq.schema.pixels import PixelMap, pixel_key, recorded_map


@dataclass(frozen=True)
class FloatBoundary(ir.passes.InPlacePass):
    """Undo IntegerBoundary: a QuantizeLinear behind each input that its record calls codes, a
    DequantizeLinear before each such output.

    Before:  (int8 x) => (int8 y)
    After:   (float x) => (float y)   q = QuantizeLinear(x, s, z)   y = DequantizeLinear(r, t, u)

    Only where metadata_props tell the grid, under edgeq.grid.NAME: other integer inputs are meant
    to be integers. An input that takes raw pixels (PixelBoundary) gets what makes pixels of the
    application's floats; with `pixels` false it stays as it is.
    """

    pixels: bool = True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph, names = model.graph, Names(model)
        grids = {value.name: grid for value, grid in known_grids(model).items() if f"{GRID_KEY}{value.name}" in model.metadata_props}
        maps = {value.name: recorded_map(model.metadata_props.get(pixel_key(str(value.name)))) for value in graph.inputs}
        found = [value for value in graph.inputs if value.name in grids and value.dtype != ir.DataType.FLOAT]
        found = [value for value in found if self.pixels or maps[value.name] is None]
        for value in found:
            _quantize(graph, value, maps[value.name] or grids[value.name], names)
        places = [i for i, value in enumerate(graph.outputs) if value.name in grids and value.dtype != ir.DataType.FLOAT]
        for index in places:
            _dequantize(graph, index, grids[graph.outputs[index].name], names)
        for value in (*found, *(graph.outputs[index] for index in places)):
            model.metadata_props.pop(f"{GRID_KEY}{value.name}", None)
            model.metadata_props.pop(pixel_key(str(value.name)), None)
        return ir.passes.PassResult(model, modified=bool(found or places))


def _quantize(graph: ir.Graph, value: ir.Value, grid: QuantParams | PixelMap, names: Names) -> None:
    readers = list(value.uses())
    source, axis = value, None
    if isinstance(grid, PixelMap):
        source, grid = _shifted(graph, value, grid, names)
        axis = grid.granularity.axis if isinstance(grid.granularity, PerChannel) else None
    scale, zero = grid_constants(graph, grid, str(value.name), names)
    node = qdq_node(
        "QuantizeLinear", source, scale, zero, axis, names.node(f"{value.name}_QuantizeLinear"), names.value(f"{value.name}_codes")
    )
    before = source.producer()
    if before is None:
        graph.insert_before(graph[0], node)
    else:
        graph.insert_after(before, node)
    for reader, index in readers:
        reader.replace_input_with(index, node.outputs[0])
    value.type = ir.TensorType(ir.DataType.FLOAT)


def _shifted(graph: ir.Graph, value: ir.Value, one: PixelMap, names: Names) -> tuple[ir.Value, QuantParams]:
    """x + scale * zero, whose QuantizeLinear with zero point 0 gives the pixels: zeros of a map
    need not be whole numbers.
    """
    shift = (one.along(one.scale) * one.along(one.zero)).astype(np.float32)
    constant = add_constant(graph, shift, names.value(f"{value.name}_shift"))
    source = ir.Value(name=names.value(f"{value.name}_shifted"), shape=value.shape, type=ir.TensorType(ir.DataType.FLOAT))
    graph.insert_before(graph[0], ir.Node("", "Add", [value, constant], outputs=[source], name=names.node(f"{value.name}_Add")))
    scale = np.asarray(one.scale if len(one.scale) > 1 else one.scale[0], np.float32)
    granularity = PerChannel(one.axis) if scale.ndim else PerTensor()
    return source, QuantParams("uint8", scale, np.zeros(scale.shape, np.int32), granularity)


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
