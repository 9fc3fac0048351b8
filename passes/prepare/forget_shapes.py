"""Remove what every reader of an ONNX file infers for itself: types and shapes of inner values."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import graphs


@dataclass(frozen=True)
class ForgetShapes(ir.passes.InPlacePass):
    """Clear the types and shapes of constants and node outputs, except for graph outputs.

    They take a sixth of a small int8 file. A model with bodies or with nodes of other domains than
    ONNX's own is unchanged, since inference may not reach all of its values.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        if any(node.domain not in ("", "ai.onnx") for node in model.graph) or len(list(graphs(model))) > 1:
            return ir.passes.PassResult(model, modified=False)
        inner = [*model.graph.initializers.values(), *(value for node in model.graph for value in node.outputs)]
        for value in inner:
            if not (value.is_graph_output() or value.is_graph_input()) and (value.type is not None or value.shape is not None):
                value.type, value.shape = None, None
                modified = True
        return ir.passes.PassResult(model, modified)
