"""Keep a QuantizeLinear behind a float node that the runtime would move it in front of."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import constant, is_op, nodes, owner, scalar


@dataclass(frozen=True)
class HoldQuantize(ir.passes.InPlacePass):
    """Put a Mul by 2 between a named node and the QuantizeLinear behind it, and double its scale.

    Before:  p = MaxPool(x)   q = QuantizeLinear(p, s, z)
    After:   p = MaxPool(x)   d = Mul(p, 2)   q = QuantizeLinear(d, 2 s, z)

    onnxruntime moves a QuantizeLinear in front of a MaxPool, which then reads codes with channels
    first: 30 times the time of the float kernel. Doubling is exact in floats, so that every code
    stays, and the runtime does not look behind a Mul.
    """

    #: names of the nodes that stay in float
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        modified = False
        for node in [n for n in nodes(model) if n.name in self.names]:
            readers = [reader for reader in node.outputs[0].consumers() if _plain(reader)]
            if readers:
                _hold(node, readers, free)
                modified = True
        return ir.passes.PassResult(model, modified)


def _plain(reader: ir.Node) -> bool:
    """Whether it quantizes with one constant scale that can be doubled."""
    scale = scalar(reader.inputs[1]) if is_op(reader, "QuantizeLinear") else None
    return scale is not None and bool(np.isfinite(np.float32(2 * scale)))


def _hold(node: ir.Node, readers: list[ir.Node], free: Names) -> None:
    graph, value = owner(node), node.outputs[0]
    two = add_constant(graph, np.array(2.0, np.float32), free.value(f"{value.name}_two"))
    result = ir.Value(name=free.value(f"{value.name}_doubled"), shape=value.shape, type=value.type)
    double = ir.Node("", "Mul", [value, two], [], outputs=[result], name=free.node(f"{value.name}_doubled"))
    graph.insert_after(node, double)
    for reader in readers:
        scale = constant(reader.inputs[1])
        assert scale is not None
        reader.replace_input_with(0, result)
        reader.replace_input_with(1, add_constant(graph, np.float32(2) * scale, free.value(f"{value.name}_doubled_scale")))
