"""Give a model whose inputs or outputs are codes float inputs and outputs again.

This makes it comparable with its float model.
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
    """Undo IntegerBoundary: quantize the inputs and dequantize the outputs inside the model.

    Before:  (int8 x) => (int8 y)
    After:   (float x) => (float y)   q = QuantizeLinear(x, s, z)   y = DequantizeLinear(r, t, u)

    Only inputs and outputs with a grid in metadata_props, under edgeq.grid.NAME, change: other
    integer inputs are meant to be integers. For an input of raw pixels (PixelBoundary), nodes are
    added that compute the pixels from the application's floats.
    """

    #: whether inputs of raw pixels change too
    pixels: bool = True

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph, names = model.graph, Names(model)
        grids = {value.name: grid for value, grid in known_grids(model).items() if f"{GRID_KEY}{value.name}" in model.metadata_props}
        maps = {value.name: recorded_map(model.metadata_props.get(pixel_key(str(value.name)))) for value in graph.inputs}
        found = [value for value in graph.inputs if value.name in grids and value.dtype != ir.DataType.FLOAT]
        found = [value for value in found if self.pixels or maps[value.name] is None]
        for value in found:
            _quantize(graph, value, maps[value.name] or grids[value.name], names)
        codes = [value for value in dict.fromkeys(graph.outputs) if value.name in grids and value.dtype != ir.DataType.FLOAT]
        given = [str(value.name) for value in (*found, *codes)]
        for value in codes:
            _dequantize(graph, value, grids[value.name], names)
        for name in given:
            model.metadata_props.pop(f"{GRID_KEY}{name}", None)
            model.metadata_props.pop(pixel_key(name), None)
        return ir.passes.PassResult(model, modified=bool(given))


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
    """x + scale * zero: a QuantizeLinear with zero point 0 turns it into pixels.

    The shift is an Add because the zeros of a pixel map need not be whole numbers.
    """
    shift = (one.along(one.scale) * one.along(one.zero)).astype(np.float32)
    constant = add_constant(graph, shift, names.value(f"{value.name}_shift"))
    source = ir.Value(name=names.value(f"{value.name}_shifted"), shape=value.shape, type=ir.TensorType(ir.DataType.FLOAT))
    graph.insert_before(graph[0], ir.Node("", "Add", [value, constant], outputs=[source], name=names.node(f"{value.name}_Add")))
    scale = np.asarray(one.scale if len(one.scale) > 1 else one.scale[0], np.float32)
    granularity = PerChannel(one.axis) if scale.ndim else PerTensor()
    return source, QuantParams("uint8", scale, np.zeros(scale.shape, np.int32), granularity)


def _dequantize(graph: ir.Graph, value: ir.Value, grid: QuantParams, names: Names) -> None:
    name, maker = str(value.name), value.producer()
    assert maker is not None  # an output that is also an input has no record: IntegerBoundary leaves it alone
    scale, zero = grid_constants(graph, grid, name, names)
    node = qdq_node("DequantizeLinear", value, scale, zero, None, names.node(f"{name}_DequantizeLinear"), names.value(f"{name}_float"))
    graph.insert_after(maker, node)
    result = node.outputs[0]
    for index in [i for i, output in enumerate(graph.outputs) if output is value]:
        graph.outputs[index] = result
    value.name = names.value(f"{name}_codes")
    result.name, result.shape = name, value.shape
