"""Where the channels of a layer with a constant weight lie, and its weight with scaled channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, rank
from edgeq.numerics.arrays import F32, F64, AnyArray


@dataclass(frozen=True)
class LayerForm:
    """inputs, outputs: how many channels; axis: where they lie, in its input as in its output;
    group: of Conv and ConvTranspose.
    """

    inputs: int
    outputs: int
    axis: int
    group: int


def layer_form(node: ir.Node) -> LayerForm | None:
    """The form of a layer whose weight and bias can take up scales of its input and output
    channels; None for every other node.
    """
    if not is_op(node, "Conv", "ConvTranspose", "Gemm", "MatMul"):
        return None
    weight = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if weight is None or weight.dtype != np.float32 or (bias is not None and constant(bias) is None):
        return None
    if is_op(node, "Conv", "ConvTranspose"):
        group = attribute_int(node, "group", 1)
        first, second = weight.shape[0], weight.shape[1] * group
        inputs, outputs = (second, first) if node.op_type == "Conv" else (first, second)
        return LayerForm(inputs, outputs, 1, group)
    if is_op(node, "Gemm"):
        return _gemm_form(node, weight)
    ends = rank(node.inputs[0]), rank(node.outputs[0])
    if weight.ndim != 2 or ends[0] is None or ends[0] != ends[1]:
        return None
    return LayerForm(weight.shape[0], weight.shape[1], ends[0] - 1, 1)


def _gemm_form(node: ir.Node, weight: AnyArray) -> LayerForm | None:
    plain = attribute_int(node, "transA", 0) == 0
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    outputs, inputs = weight.shape if attribute_int(node, "transB", 0) else weight.shape[::-1]
    if not plain or (bias is not None and (bias.size not in (1, outputs) or bias.shape[-1:] not in ((), (1,), (outputs,)))):
        return None
    return LayerForm(inputs, outputs, 1, 1)


def scale_weight(node: ir.Node, form: LayerForm, before: F64 | None, after: F64 | None) -> F32:
    """The weight of a layer whose input channels come multiplied by `before` and whose output
    channels shall be multiplied by `after`.
    """
    weight = np.asarray(constant(node.inputs[1]), np.float64)
    down = np.ones(form.inputs) if before is None else 1 / before
    up = np.ones(form.outputs) if after is None else after
    if is_op(node, "Conv", "ConvTranspose"):
        first, second = (up, down) if node.op_type == "Conv" else (down, up)
        ends = [1] * (weight.ndim - 2)
        rows = weight.reshape(form.group, -1, *weight.shape[1:])  # [group, rows of the group, columns of the group, ...]
        rows = rows * first.reshape(form.group, -1, 1, *ends) * second.reshape(form.group, 1, -1, *ends)
        return rows.reshape(weight.shape).astype(np.float32)
    transposed = is_op(node, "Gemm") and attribute_int(node, "transB", 0)
    scaled = weight * up[:, None] * down if transposed else weight * down[:, None] * up
    return scaled.astype(np.float32)
