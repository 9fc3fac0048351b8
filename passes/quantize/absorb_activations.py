"""Remove the Relu and Clip nodes whose clamp the output grid of their producer performs."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import take_over
from edgeq.graph.read import is_op, nodes, owner


@dataclass(frozen=True)
class AbsorbActivations(ir.passes.InPlacePass):
    """Remove the named Relu and Clip nodes; their producer's value takes over the name.

    Before:  c = Conv(x, w)   y = Relu(c)
    After:   y = Conv(x, w)
    """

    #: names of the nodes to remove; the plan names only those whose value has a grid that saturates
    #: at their bounds
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [n for n in nodes(model) if n.name in self.names and is_op(n, "Relu", "Clip")]
        for node in found:
            source, result = node.inputs[0], node.outputs[0]
            assert source is not None
            take_over(result, source)
            owner(node).remove(node, safe=True)
        return ir.passes.PassResult(model, modified=bool(found))
