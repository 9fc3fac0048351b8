"""The float form of an integer model, for shapes and MACs only: every integer operator as the float
operator that it computes.
"""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph.read import nodes

#: integer operator -> float operator, and which of its inputs that one takes
_FLOAT_FORM: dict[str, tuple[str, tuple[int, ...]]] = {
    "QLinearConv": ("Conv", (0, 3)),
    "ConvInteger": ("Conv", (0, 1)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "MatMulInteger": ("MatMul", (0, 1)),
    "MatMulIntegerToFloat": ("MatMul", (0, 1)),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1)),
    "QGemm": ("Gemm", (0, 3)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearSigmoid": ("Sigmoid", (0,)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,)),
    "QLinearSoftmax": ("Softmax", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "FusedConv": ("Conv", (0, 1)),
    "FusedMatMul": ("MatMul", (0, 1)),
}


def float_form(model: ir.Model) -> ir.Model:
    """A copy with the same nodes in the same order and shapes inferred. It is for reading: it need
    not run.
    """
    copy = model.clone()
    for node in list(nodes(copy)):
        if node.op_type == "QLinearConcat":
            _become(node, "Concat", tuple(range(2, len(node.inputs), 3)))  # y_scale, y_zero_point, then triples
        elif node.op_type in _FLOAT_FORM:
            _become(node, *_FLOAT_FORM[node.op_type])
    # element types do not fit any more (a Conv of uint8): only the shapes are asked for
    common_passes.ShapeInferencePass(check_type=False, strict_mode=False)(copy)
    return copy


def _become(node: ir.Node, op_type: str, inputs: tuple[int, ...]) -> None:
    kept = [node.inputs[index] for index in inputs if index < len(node.inputs)]
    node.resize_inputs(len(kept))
    for index, value in enumerate(kept):
        node.replace_input_with(index, value)
    node.domain, node.op_type = "", op_type
