"""Leave out what every reader of an ONNX file infers for itself: types and shapes of inner
values.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import graphs


@dataclass(frozen=True)
class ForgetShapes(ir.passes.InPlacePass):
    """Clear type and shape of constants and of the values that nodes of ONNX's own domain make;
    graph inputs and outputs keep theirs.

    A sixth of a small int8 file is this. Values of bodies and of other domains stay: inference may
    not reach them.
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
