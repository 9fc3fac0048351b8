"""Let nodes that the runtime computes with one float kernel read one dequantized value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import constant, is_op, nodes, owner


@dataclass(frozen=True)
class ShareDequantized(ir.passes.InPlacePass):
    """Put a Sum of one between a DequantizeLinear and a group that reads it more than once.

    Before:  f = DequantizeLinear(q, s, z)   e = Erf(f)   y = Mul(f, e)
    After:   f = DequantizeLinear(q, s, z)   g = Sum(f)   e = Erf(g)   y = Mul(g, e)

    onnxruntime gives every reader a DequantizeLinear of its own, and then looks for groups whose
    nodes read the same value. It neither removes a Sum of one nor takes it for a part of a group.
    """

    #: groups of names of nodes that the runtime computes with one kernel
    groups: Sequence[Sequence[str]]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        named = {node.name: node for node in nodes(model)}
        modified = False
        for group in self.groups:
            members = [named[name] for name in group if name in named]
            for value in dict.fromkeys(value for node in members for value in node.inputs if value is not None):
                modified |= _share(value, members, free)
        return ir.passes.PassResult(model, modified)


def _share(value: ir.Value, members: Sequence[ir.Node], free: Names) -> bool:
    producer = value.producer()
    reads = [(node, index) for node in members for index, given in enumerate(node.inputs) if given is value]
    if producer is None or len(reads) < 2 or not is_op(producer, "DequantizeLinear") or constant(producer.inputs[0]) is not None:
        return False
    shared = ir.Value(name=free.value(f"{value.name}_shared"), shape=value.shape, type=value.type)
    graph, first = owner(producer), reads[0][0]
    graph.insert_after(producer, ir.Node("", "Sum", [value], [], outputs=[shared], name=free.node(f"{first.name}_shared")))
    for node, index in reads:
        node.replace_input_with(index, shared)
    return True
