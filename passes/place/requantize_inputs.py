"""Requantize the inputs of an operator that copies codes to the grid of its output."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import constant, is_op, nodes, only_consumer, owner
from edgeq.numerics.grid import dequantize, quantize
from edgeq.passes.quantize.qdq import dequantize_constant, qdq_node


@dataclass(frozen=True)
class RequantizeInputs(ir.passes.InPlacePass):
    """Put a QuantizeLinear and a DequantizeLinear before each input on another grid.

    Before:  y = Concat(a_dequantized, b_dequantized)
             q = QuantizeLinear(y, s, z)
    After:   b2 = DequantizeLinear(QuantizeLinear(b_dequantized, s, z), s, z)
             y = Concat(a_dequantized, b2)
             q = QuantizeLinear(y, s, z)

    A constant input gets new codes and a DequantizeLinear instead.
    """

    #: names of the nodes whose kernel copies codes, on targets without a Concat of several grids
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        modified = False
        for node in [n for n in nodes(model) if n.name in self.names]:
            quantize = only_consumer(node.outputs[0])
            if quantize is None or not is_op(quantize, "QuantizeLinear"):
                continue
            for index, value in enumerate(node.inputs):
                if value is not None and is_op(value.producer(), "DequantizeLinear") and not _same_grid(value.producer(), quantize):
                    node.replace_input_with(index, _requantized(node, value, quantize, free))
                    modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def _same_grid(dequantize: ir.Node | None, quantize: ir.Node) -> bool:
    assert dequantize is not None
    grids = [[constant(value) for value in node.inputs[1:3]] for node in (dequantize, quantize)]
    return all(a is not None and b is not None and a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(*grids, strict=True))


def _requantized(node: ir.Node, value: ir.Value, like: ir.Node, free: Names) -> ir.Value:
    source, old, new = value.producer(), grid_of(value.producer()), grid_of(like)  # type: ignore[arg-type]  # a pair, see call
    codes = constant(source.inputs[0]) if source is not None else None
    if codes is not None and old is not None and new is not None:
        return dequantize_constant(node, quantize(dequantize(codes, old), new), new, f"{node.name}_{value.name}", free)
    stem, scale, zero = f"{node.name}_{value.name}", like.inputs[1], like.inputs[2]
    assert scale is not None
    down = qdq_node("QuantizeLinear", value, scale, zero, None, free.node(f"{stem}_QuantizeLinear"), free.value(f"{stem}_requantized"))
    output = free.value(f"{stem}_rescaled")
    up = qdq_node("DequantizeLinear", down.outputs[0], scale, zero, None, free.node(f"{stem}_DequantizeLinear"), output)
    owner(node).insert_before(node, (down, up))
    return up.outputs[0]
