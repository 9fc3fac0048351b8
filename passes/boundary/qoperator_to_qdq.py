"""Write QOperator nodes (QLinearConv, QGemm, ...) as float operators between Q and DQ nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.graph.operator import Operator, RuntimeKernel
from edgeq.graph.operators import RUNTIME_KERNELS
from edgeq.graph.read import attribute_int, constant, nodes, owner, rank
from edgeq.numerics.grid import PerChannel, PerTensor, QuantParams
from edgeq.passes.quantize.qdq import dequantize_constant, qdq_node


@dataclass(frozen=True)
class QoperatorToQdq(ir.passes.InPlacePass):
    """Rewrite QOperator nodes as QDQ, the only form that checkers and interpreters need to know.

    Before:  y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz, b)
    After:   f = DequantizeLinear(x, xs, xz)   g = DequantizeLinear(w, ws, wz)
             h = DequantizeLinear(b, xs * ws)
             c = Conv(f, g, h)                 y = QuantizeLinear(c, ys, yz)

    The scale of the int32 bias is xs * ws by definition. Where one of the two is not constant, the
    bias stays as it is, and the result is for reading only.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [(node, *RUNTIME_KERNELS[node.op_type]) for node in nodes(model) if node.op_type in RUNTIME_KERNELS]
        coded = [(node, kernel, operator) for node, kernel, operator in found if kernel.scale is not None]
        for node, kernel, operator in coded:
            _rewrite(node, kernel, operator, names)
        return ir.passes.PassResult(model, modified=bool(coded))


def _channel_axis(node: ir.Node, operator: Operator) -> int:
    """The axis of a weight's output channels; the weight of a QGemm may be transposed."""
    return 1 - operator.weight_axis % 2 if attribute_int(node, "transB", 0) else operator.weight_axis % 2


def _rewrite(node: ir.Node, kernel: RuntimeKernel, operator: Operator, names: Names) -> None:
    graph, given = owner(node), list(node.inputs)
    places = [place for place in kernel.inputs if place < len(given)]
    read = [given[place] for place in places]
    for index in operator.data_of(len(places)):
        place = places[index]
        codes, scale, zero = (given[place + offset] if place + offset < len(given) else None for offset in range(3))
        assert codes is not None and scale is not None
        stem = f"{node.name}_{codes.name}"
        axis = _channel_axis(node, operator) if operator.layer and index > 0 else None
        up = qdq_node("DequantizeLinear", codes, scale, zero, axis, names.node(stem), names.value(f"{stem}_float"))
        graph.insert_before(node, up)
        read[index] = up.outputs[0]
    _dequantize_bias(node, operator, read, names)
    assert kernel.scale is not None
    scale, zero = (given[at] if at < len(given) else None for at in (kernel.scale, kernel.scale + 1))
    while read and read[-1] is None:  # an optional bias that is left out
        read.pop()
    node.op_type, node.domain = operator.op_type, ""
    _drop_own_attributes(node)
    node.resize_inputs(len(read))
    for index, value in enumerate(read):
        node.replace_input_with(index, value)
    if scale is None:  # a QGemm without an output grid returns floats
        return
    result = node.outputs[0]
    readers, at_end = list(result.uses()), result.is_graph_output()
    name = str(result.name)
    result.name = names.value(f"{name}_float")
    down = qdq_node("QuantizeLinear", result, scale, zero, None, names.node(f"{name}_QuantizeLinear"), name)
    down.outputs[0].shape, result.type = result.shape, ir.TensorType(ir.DataType.FLOAT)
    graph.insert_after(node, down)
    for reader, index in readers:
        reader.replace_input_with(index, down.outputs[0])
    if at_end:
        for index, value in enumerate(graph.outputs):
            if value is result:
                graph.outputs[index] = down.outputs[0]


def _dequantize_bias(node: ir.Node, operator: Operator, read: list[ir.Value | None], names: Names) -> None:
    """Put a DequantizeLinear of input scale * weight scale before the constant bias, if any."""
    bias = operator.bias
    codes = None if bias is None or bias >= len(read) else constant(read[bias])
    if bias is None or codes is None or codes.dtype != np.int32:
        return
    makers = [value.producer() for value in read[:2] if value is not None]
    grids = [grid for maker in makers if maker is not None and (grid := grid_of(maker)) is not None]
    if len(grids) != 2 or grids[0].scale.ndim:
        return
    scale = np.asarray(grids[0].scale * grids[1].scale, np.float32)
    grid = QuantParams("int32", scale, np.zeros(scale.shape, np.int32), PerChannel(0) if scale.ndim else PerTensor())
    read[bias] = dequantize_constant(node, codes, grid, f"{node.name}_bias", names)


def _drop_own_attributes(node: ir.Node) -> None:
    """Remove what only onnxruntime's own operators have, where it changes nothing."""
    if not attribute_int(node, "channels_last", 0):
        node.attributes.pop("channels_last", None)
    last = (rank(node.inputs[0]) or 0) - 1
    if attribute_int(node, "opset", 13) >= 13 or attribute_int(node, "axis", 1) in (-1, last):
        node.attributes.pop("opset", None)  # whether a Softmax takes one axis, or all from it on
