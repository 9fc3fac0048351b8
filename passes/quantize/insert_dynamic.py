"""Let MatMuls measure their input's grid at every run: DynamicQuantizeLinear and MatMulInteger."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names, take_over
from edgeq.graph.read import constant, is_op, nodes, only_consumer, owner


@dataclass(frozen=True)
class InsertDynamic(ir.passes.InPlacePass):
    """Turn the named MatMuls, whose weights are integers already, into MatMulInteger.

    Before:  d = DequantizeLinear<axis = 1>(w, s, z)   y = MatMul(x, d)   o = Add(b, y)
    After:   q, t, u = DynamicQuantizeLinear(x)
             i = MatMulInteger(q, w, u, z)   f = Cast(i)   p = Mul(t, s)   y = Mul(f, p)
             o = Add(y, b)

    All named MatMuls that read a value share its grid, which is measured at run time. onnxruntime
    fuses all nodes but the first into one kernel. The Add is part of it only when the constant is
    its second input.
    """

    #: names of the nodes that are converted
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        shared: dict[tuple[ir.Value, ir.Graph], ir.Node] = {}
        due = [node for node in nodes(model) if node.name in self.names and is_op(node, "MatMul")]
        for node in due:
            _replace(node, shared, free)
        return ir.passes.PassResult(model, bool(due))


def _replace(node: ir.Node, shared: dict[tuple[ir.Value, ir.Graph], ir.Node], free: Names) -> None:
    source, stored = node.inputs[0], node.inputs[1]
    dequantize = None if stored is None else stored.producer()
    assert source is not None and dequantize is not None
    graph, name, out = owner(node), str(node.name), node.outputs[0]
    if (source, graph) not in shared:
        shared[source, graph] = _measure(node, source, free)
    codes, scale, zero = shared[source, graph].outputs
    weight, weight_scale, weight_zero = dequantize.inputs[:3]
    node.name = free.node(f"{name}_float")
    product = _node("MatMulInteger", [codes, weight, zero, weight_zero], name, free.value(f"{name}_sum"), ir.DataType.INT32)
    real = _node("Cast", [product.outputs[0]], free.node(f"{name}_Cast"), free.value(f"{name}_cast"), ir.DataType.FLOAT)
    real.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT.value)
    step = _node("Mul", [scale, weight_scale], free.node(f"{name}_step"), free.value(f"{name}_step"), ir.DataType.FLOAT)
    result = _node("Mul", [real.outputs[0], step.outputs[0]], free.node(f"{name}_scaled"), free.value(f"{name}_scaled"), ir.DataType.FLOAT)
    graph.insert_before(node, (product, real, step, result))
    take_over(out, result.outputs[0])
    graph.remove(node, safe=True)
    _bias_second(result.outputs[0])


def _measure(node: ir.Node, source: ir.Value, free: Names) -> ir.Node:
    """Insert the DynamicQuantizeLinear of a value right after the node that makes it.

    A value from outside the body gets it just before its first reader in the body.
    """
    name = str(source.name)
    made = _node("DynamicQuantizeLinear", [source], free.node(f"{name}_DynamicQuantizeLinear"), "", ir.DataType.UINT8, outputs=3)
    for value, end, dtype in zip(
        made.outputs, ("quantized", "scale", "zero_point"), (ir.DataType.UINT8, ir.DataType.FLOAT, ir.DataType.UINT8), strict=True
    ):
        value.name, value.type = free.value(f"{name}_{end}"), ir.TensorType(dtype)
    maker, graph = source.producer(), owner(node)
    if maker is not None and maker.graph is graph:
        graph.insert_after(maker, made)
    else:
        graph.insert_before(node, made)
    return made


def _node(op_type: str, inputs: list[ir.Value | None], name: str, output: str, dtype: ir.DataType, outputs: int = 1) -> ir.Node:
    node = ir.Node("", op_type, inputs, [], num_outputs=outputs, name=name)
    node.outputs[0].name, node.outputs[0].type = output, ir.TensorType(dtype)
    return node


def _bias_second(value: ir.Value) -> None:
    add = only_consumer(value)
    if add is not None and is_op(add, "Add") and add.inputs[1] is value and constant(add.inputs[0]) is not None:
        bias = add.inputs[0]
        add.replace_input_with(0, value)
        add.replace_input_with(1, bias)
