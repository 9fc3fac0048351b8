"""Let recurrent layers compute in integers: onnxruntime's DynamicQuantizeLSTM."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import constant, is_op, nodes, owner

#: onnxruntime's own domain, and the version of its operators
DOMAIN, VERSION = "com.microsoft", 1
#: the inputs of an LSTM that are its own: x, W, R, B, sequence_lens, initial_h, initial_c, P
INPUTS = 8


@dataclass(frozen=True)
class QuantizeRecurrent(ir.passes.InPlacePass):
    """Turn the named LSTMs, whose weights are integers already, into DynamicQuantizeLSTM.

    Before:  w = DequantizeLinear <axis = 1> (q [D, 4H, I], s [4H], z [4H])   r = ...
             y, h, c = LSTM(x, w, r, b)
    After:   y, h, c = com.microsoft.DynamicQuantizeLSTM(
                 x, q [D, I, 4H], p [D, H, 4H], b, , , , ,
                 s [D, 4H], z [D, 4H], t [D, 4H], u [D, 4H])

    The kernel measures the grid of x, and at each step that of the state, and adds up products of
    integers; gates and cell are float. With one scale for a tensor, scales and zero points are [D].
    """

    #: names of the nodes that are converted
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        due = [node for node in nodes(model) if node.name in self.names and is_op(node, "LSTM")]
        for node in due:
            _replace(node, free)
        if due:
            model.opset_imports[DOMAIN] = VERSION
            drop_unread_constants(model)
        return ir.passes.PassResult(model, bool(due))


def _replace(node: ir.Node, free: Names) -> None:
    made = [_stored(node, index, word, free) for index, word in ((1, "W"), (2, "R"))]
    size = len(node.inputs)
    inputs = [*node.inputs, *[None] * (INPUTS - size)]
    node.resize_inputs(INPUTS + 4)
    for index, value in enumerate([inputs[0], made[0][0], made[1][0], *inputs[3:], *made[0][1:], *made[1][1:]]):
        node.replace_input_with(index, value)
    for dequantize in {value.producer() for value in inputs[1:3] if value is not None}:
        if dequantize is not None and not dequantize.outputs[0].uses():
            owner(dequantize).remove(dequantize, safe=True)
    node.attributes.pop("layout", None)  # it is 0, and the kernel knows no other
    node.domain, node.op_type = DOMAIN, "DynamicQuantizeLSTM"


def _stored(node: ir.Node, index: int, word: str, free: Names) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Codes, scales and zero points as the kernel takes them."""
    weight = node.inputs[index]
    dequantize = None if weight is None else weight.producer()
    assert dequantize is not None
    codes, scale, zero = (constant(value) for value in dequantize.inputs[:3])
    assert codes is not None and scale is not None and zero is not None
    graph, shape = owner(node), (codes.shape[0], *scale.shape)
    return (
        add_constant(graph, np.ascontiguousarray(codes.transpose(0, 2, 1)), free.value(f"{node.name}_{word}_quantized")),
        add_constant(graph, np.ascontiguousarray(np.broadcast_to(scale, shape)), free.value(f"{node.name}_{word}_scale")),
        add_constant(graph, np.ascontiguousarray(np.broadcast_to(zero, shape)), free.value(f"{node.name}_{word}_zero_point")),
    )
