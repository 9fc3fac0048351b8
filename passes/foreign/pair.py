"""Put a QuantizeLinear and a DequantizeLinear behind a value."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.graph.read import is_op, owner
from edgeq.numerics.grid import QuantParams
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.quantize.qdq import grid_constants, qdq_node


def float_source(value: ir.Value | None) -> bool:
    """Whether the value holds real numbers that no DequantizeLinear made."""
    return value is not None and value.dtype in (ir.DataType.FLOAT, None) and not is_op(value.producer(), "DequantizeLinear")


def behind(graph: ir.Graph, value: ir.Value, grid: QuantParams, names: Names) -> ir.Value:
    """Let everything that reads the value, and an output of the graph, read the pair's result.

    A QuantizeLinear that makes the same codes is removed. Returns the result, which takes over the
    name where the value is an output.
    """
    alike = [node for node in quantizers(value) if grid_of(node) == grid and not node.outputs[0].is_graph_output()]
    readers = list(value.uses())
    result = _pair(graph, value, grid, names)
    codes = result.producer().inputs[0]  # type: ignore[union-attr]  # the pair's DequantizeLinear
    assert codes is not None
    for reader, index in readers:
        reader.replace_input_with(index, result)
    for node in alike:
        node.outputs[0].replace_all_uses_with(codes)
        graph.remove(node, safe=True)
    places = [place for place, output in enumerate(graph.outputs) if output is value]
    if places:
        name = str(value.name)
        value.name = names.value(f"{name}_float")
        result.name = name
        for place in places:
            graph.outputs[place] = result
    return result


def before(node: ir.Node, indices: Sequence[int], value: ir.Value, grid: QuantParams, names: Names) -> None:
    """Let the node read the pair's result at these inputs, where it reads the value now."""
    result = _pair(owner(node), value, grid, names)
    for index in indices:
        node.replace_input_with(index, result)


def _pair(graph: ir.Graph, value: ir.Value, grid: QuantParams, names: Names) -> ir.Value:
    stem = f"{value.name}_pair"
    scale, zero = grid_constants(graph, grid, stem, names)
    down = qdq_node("QuantizeLinear", value, scale, zero, None, names.node(f"{stem}_QuantizeLinear"), names.value(f"{stem}_codes"))
    up = qdq_node(
        "DequantizeLinear", down.outputs[0], scale, zero, None, names.node(f"{stem}_DequantizeLinear"), names.value(f"{stem}_real")
    )
    maker = value.producer()
    if maker is None:
        graph.insert_before(graph[0], (down, up))
    else:
        graph.insert_after(maker, (down, up))
    return up.outputs[0]
