"""Remove nodes and constants that no output depends on."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph.edit import detach_strays, vanished
from edgeq.graph.read import nodes, values


@dataclass(frozen=True)
class RemoveUnread(ir.passes.InPlacePass):
    """Remove unread nodes and constants, which would otherwise be calibrated and counted.

    Before: `y = Relu(x)`, `unread = Exp(x)` with the output y
    After:  `y = Relu(x)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        before = [node.name for node in nodes(model)]
        count = sum(1 for _ in values(model))
        if _has_unread(model):
            common_passes.RemoveUnusedNodesPass()(model)
        detach_strays(model)
        after = {node.name for node in nodes(model)}
        vanished(model).update((name, "removed: no output depends on it") for name in before if name and name not in after)
        return ir.passes.PassResult(model, modified=len(before) != len(after) or count != sum(1 for _ in values(model)))


def _has_unread(model: ir.Model) -> bool:
    """Whether there is a value that nothing reads, or a node that names none."""
    unread = any(not value.uses() and not value.is_graph_output() for value in values(model))
    return unread or any(not any(value.name for value in node.outputs) for node in nodes(model))
