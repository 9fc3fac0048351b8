"""Keep a node in float where the runtime would replace it by an integer kernel."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import constant, is_op, nodes, owner, scalar
from edgeq.passes.quantize.qdq import qdq_node


@dataclass(frozen=True)
class HoldFloat(ir.passes.InPlacePass):
    """Move the scale of a DequantizeLinear in front of a named node to a Mul of its own.

    Before:  f = DequantizeLinear(q, s, z)   y = AveragePool(f)
    After:   u = DequantizeLinear(q, 1, z)   f = Mul(u, s)   y = AveragePool(f)

    onnxruntime replaces every DequantizeLinear -> operator -> QuantizeLinear for which it has an
    integer kernel, and moves a DequantizeLinear behind an operator that only moves elements. The
    Mul computes the same numbers and prevents both.
    """

    #: names of the nodes that stay in float
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        modified = False
        for node in [n for n in nodes(model) if n.name in self.names]:
            for index, value in enumerate(node.inputs):
                producer = value.producer() if value is not None else None
                if producer is not None and is_op(producer, "DequantizeLinear") and _scales(producer):
                    node.replace_input_with(index, _in_two_steps(node, producer, free))
                    modified = True
        return ir.passes.PassResult(model, modified)


def _scales(dequantize: ir.Node) -> bool:
    """Whether it dequantizes an activation with one scale per tensor, other than 1."""
    scale, source = scalar(dequantize.inputs[1]), dequantize.inputs[0]
    return scale is not None and scale != 1.0 and constant(source) is None and len(dequantize.inputs) > 2


def _in_two_steps(node: ir.Node, dequantize: ir.Node, free: Names) -> ir.Value:
    graph, source, scale = owner(node), dequantize.inputs[0], dequantize.inputs[1]
    assert source is not None
    stem = dequantize.outputs[0].name
    one = add_constant(graph, np.array(1.0, np.float32), free.value(f"{stem}_unit"))
    name, output = free.node(f"{stem}_unscaled"), free.value(f"{stem}_unscaled")
    first = qdq_node("DequantizeLinear", source, one, dequantize.inputs[2], None, name, output)
    result = ir.Value(name=free.value(f"{stem}_scaled"), shape=source.shape, type=ir.TensorType(ir.DataType.FLOAT))
    second = ir.Node("", "Mul", [first.outputs[0], scale], [], outputs=[result], name=free.node(f"{stem}_scaled"))
    graph.insert_before(node, (first, second))
    return result
