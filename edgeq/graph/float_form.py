"""The float form of an integer model, for shapes and MACs only.

Every integer operator becomes the float operator whose work it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.graph.operators import RUNTIME_KERNELS, UNKNOWN
from edgeq.graph.read import nodes
from edgeq.graph.value_types import infer_types


def float_form(model: ir.Model) -> ir.Model:
    """A copy with the same nodes in the same order, and with shapes inferred.

    It is only for reading and need not run.
    """
    copy = model.clone()
    for node in list(nodes(copy)):
        kernel, operator = RUNTIME_KERNELS.get(node.op_type, (None, UNKNOWN))
        if kernel is not None and kernel.inputs:
            _become(node, operator.op_type, kernel.inputs)
    # element types no longer match (a Conv of uint8), but only the shapes are needed
    infer_types(copy, follow_values=True)
    return copy


def _become(node: ir.Node, op_type: str, inputs: Sequence[int]) -> None:
    kept = [node.inputs[index] for index in inputs if index < len(node.inputs)]
    node.resize_inputs(len(kept))
    for index, value in enumerate(kept):
        node.replace_input_with(index, value)
    node.domain, node.op_type = "", op_type
