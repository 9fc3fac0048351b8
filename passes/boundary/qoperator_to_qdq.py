"""Write QOperator nodes (QLinearConv, QGemm, ...) as float operators between DequantizeLinear and
QuantizeLinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import nodes, owner
from edgeq.passes.quantize.qdq import qdq_node


@dataclass(frozen=True)
class _Form:
    """op_type: the float operator. data: where the codes of its inputs stand (scale and zero point
    follow). output: where the scale of the output stands. bias: where an int32 bias stands."""

    op_type: str
    data: tuple[int, ...]
    output: int
    bias: int | None = None


_FORMS = {
    "QLinearConv": _Form("Conv", (0, 3), 6, 8),
    "QLinearMatMul": _Form("MatMul", (0, 3), 6),
    "QGemm": _Form("Gemm", (0, 3), 7, 6),
    "QLinearAdd": _Form("Add", (0, 3), 6),
    "QLinearMul": _Form("Mul", (0, 3), 6),
    "QLinearSigmoid": _Form("Sigmoid", (0,), 3),
    "QLinearLeakyRelu": _Form("LeakyRelu", (0,), 3),
    "QLinearSoftmax": _Form("Softmax", (0,), 3),
    "QLinearAveragePool": _Form("AveragePool", (0,), 3),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", (0,), 3),
}


@dataclass(frozen=True)
class QoperatorToQdq(ir.passes.InPlacePass):
    """One form for both: what a checker or an interpreter has to know.

    Before:  y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz, b) After:   f = DequantizeLinear(x, xs,
    xz)   g = DequantizeLinear(w, ws, wz)   c = Conv(f, g, b)   y = QuantizeLinear(c, ys, yz)

    The int32 bias stays as it is: its scale is xs * ws by definition. Reading only: such a model
    need not run.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if node.op_type in _FORMS or node.op_type == "QLinearConcat"]
        for node in found:
            form = _FORMS.get(node.op_type) or _Form("Concat", tuple(range(2, len(node.inputs), 3)), 0)
            _rewrite(node, form, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _rewrite(node: ir.Node, form: _Form, names: Names) -> None:
    graph, given = owner(node), list(node.inputs)
    floats: list[ir.Value | None] = []
    for place in form.data:
        codes, scale, zero = (given[place + offset] if place + offset < len(given) else None for offset in range(3))
        assert codes is not None and scale is not None
        stem = f"{node.name}_{codes.name}"
        axis = None if place == 0 else 0 if form.op_type == "Conv" else 1
        up = qdq_node("DequantizeLinear", codes, scale, zero, axis, names.node(stem), names.value(f"{stem}_float"))
        graph.insert_before(node, up)
        floats.append(up.outputs[0])
    if form.bias is not None and form.bias < len(given) and given[form.bias] is not None:
        floats.append(given[form.bias])
    scale = given[form.output] if form.output < len(given) else None
    zero = given[form.output + 1] if form.output + 1 < len(given) else None
    node.op_type, node.domain = form.op_type, ""
    node.resize_inputs(len(floats))
    for index, value in enumerate(floats):
        node.replace_input_with(index, value)
    if scale is None:  # QGemm without an output grid hands out float
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
