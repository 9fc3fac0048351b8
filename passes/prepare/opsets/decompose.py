"""Say operators that only a newer opset has in terms of older ones."""

from __future__ import annotations

import onnx
import onnx.inliner
import onnx_ir as ir

from edgeq.graph.edit import Names, add_node, take_over
from edgeq.graph.names import unique_names
from edgeq.graph.read import ONNX_DOMAINS, attribute_int, is_op, nodes, owner


def decompose_new(model: ir.Model, opset: int) -> None:
    """Replace, in place, what `opset` does not have and other operators can express.

    1. A Mod of floats without fmod, which opset 28 allowed, becomes a - floor(a / b) * b.
    2. An operator that is newer than `opset` and that ONNX defines as a function becomes the nodes
       of that function. The last of them makes the old output, and gets the old name.

    Before: `y = Mod(a, b)` on floats, in opset 28
    After:  `q = Div(a, b)`, `f = Floor(q)`, `m = Mul(f, b)`, `y = Sub(a, m)`
    """
    names = Names(model)
    floats = [node for node in nodes(model) if is_op(node, "Mod") and not attribute_int(node, "fmod", 0)]
    for node in floats:
        if node.inputs[0] is not None and node.inputs[0].dtype is not None and node.inputs[0].dtype.is_floating_point():
            _mod(node, names)
    newer = {node.op_type for node in nodes(model) if node.domain in ONNX_DOMAINS and _is_newer(node.op_type, opset)}
    if newer:
        chosen = [("", name) for name in sorted(newer)]
        proto = onnx.inliner.inline_selected_functions(ir.to_proto(model), chosen, inline_schema_functions=True)
        _take(model, ir.from_proto(proto))


def _mod(node: ir.Node, names: Names) -> None:
    a, b, y, name = node.inputs[0], node.inputs[1], node.outputs[0], node.name

    def added(op_type: str, *inputs: ir.Value | None) -> ir.Value:
        return add_node(node, op_type, list(inputs), name=names.node(f"{name}_{op_type}"), output=names.value(f"{y.name}_{op_type}"))

    result = added("Sub", a, added("Mul", added("Floor", added("Div", a, b)), b))
    take_over(y, result)
    owner(node).remove(node, safe=True)
    maker = result.producer()
    assert maker is not None
    node.name, maker.name = None, name


def _is_newer(op_type: str, opset: int) -> bool:
    try:
        onnx.defs.get_schema(op_type, opset, "")
    except onnx.defs.SchemaError:
        return onnx.defs.has(op_type, "") and onnx.defs.get_schema(op_type, "").has_function  # type: ignore[attr-defined]  # not in its stubs
    return False


def _take(model: ir.Model, new: ir.Model) -> None:
    named = {value.name: node.name for node in nodes(model) for value in node.outputs if value.name}
    for node in nodes(new):
        if node.outputs and (name := named.get(node.outputs[0].name or "")):
            node.name = name
    model.graph = new.graph
    unique_names(model)
