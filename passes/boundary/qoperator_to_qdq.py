"""Write QOperator nodes (QLinearConv, QGemm, ...) as float operators between Q and DQ nodes."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.operator import Operator, RuntimeKernel
from edgeq.graph.operators import RUNTIME_KERNELS
from edgeq.graph.read import attribute_int, nodes, owner
from edgeq.passes.quantize.qdq import qdq_node


@dataclass(frozen=True)
class QoperatorToQdq(ir.passes.InPlacePass):
    """Rewrite QOperator nodes as QDQ, the only form that checkers and interpreters need to know.

    Before:  y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz, b)
    After:   f = DequantizeLinear(x, xs, xz)   g = DequantizeLinear(w, ws, wz)
             c = Conv(f, g, b)                 y = QuantizeLinear(c, ys, yz)

    The int32 bias is unchanged: its scale is xs * ws by definition. The result is for reading only;
    a runtime need not accept it.
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
    assert kernel.scale is not None
    scale, zero = (given[at] if at < len(given) else None for at in (kernel.scale, kernel.scale + 1))
    while read and read[-1] is None:  # an optional bias that is left out
        read.pop()
    node.op_type, node.domain = operator.op_type, ""
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
