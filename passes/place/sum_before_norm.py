"""Write the Add before a normalization as Sum, where the runtime's fused kernel is slower."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import is_op, nodes, only_consumer


@dataclass(frozen=True)
class SumBeforeNorm(ir.passes.InPlacePass):
    """Replace Add by Sum, which adds the same numbers and is part of no fusion of the runtime.

    Before:  a = Add(x, r)   y = LayerNormalization(a, g, b)
    After:   a = Sum(x, r)   y = LayerNormalization(a, g, b)
    """

    #: operator types: an Add whose only reader has one of them is replaced
    readers: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in nodes(model):
            if is_op(node, "Add") and is_op(only_consumer(node.outputs[0]), *self.readers):
                node.op_type = "Sum"
                modified = True
        return ir.passes.PassResult(model, modified)
