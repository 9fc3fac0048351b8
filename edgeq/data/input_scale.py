"""Estimate from the weights of the first layer what scale of input a model expects."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import is_op, operator_of
from edgeq.numerics.arrays import F64

#: how many value-preserving operators may stand between an input and its first layer
_DEPTH = 8


def first_layer_gains(model: ir.Model) -> dict[str, float]:
    """Graph input -> gain of the first layer behind it.

    The gain is the median over the output channels of the 2-norm of the layer's weights, including
    a BatchNormalization that follows. gain * (standard deviation of the input) is about the
    standard deviation of the layer's output, which training brings near 1. Inputs that do not reach
    a Conv, Gemm or MatMul with constant weights unchanged are left out.
    """
    found = {value.name or "": _gain(value, _DEPTH) for value in model.graph.inputs}
    return {name: gain for name, gain in found.items() if gain is not None}


def _gain(value: ir.Value, depth: int) -> float | None:
    for node, index in value.uses():
        if is_op(node, "Conv", "Gemm", "MatMul") and index == 0:
            rows = _rows(node)
            if rows is not None:
                norms = np.sqrt((rows**2).sum(axis=1)) * _normalization(node)
                live = norms[norms > 1e-6]
                return float(np.median(live)) if len(live) else None
        if _keeps_values(node) and index == 0 and depth:
            return _gain(node.outputs[0], depth - 1)
    return None


def _keeps_values(node: ir.Node) -> bool:
    return is_op(node, "Cast") or operator_of(node).moves in ("views", "reorders", "pads")


def _rows(node: ir.Node) -> F64 | None:
    """The weights [output channels, inputs of one output], or None when they are not constant."""
    weight = _constant(node.inputs[1])
    if weight is None or weight.ndim < 2:
        return None
    transposed = node.op_type == "Conv" or (node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1)
    return weight.reshape(weight.shape[0], -1) if transposed else weight.reshape(-1, weight.shape[-1]).T


def _normalization(node: ir.Node) -> F64:
    """scale / sqrt(var + epsilon) of a BatchNormalization that directly follows, else 1."""
    users = [user for user, _ in node.outputs[0].uses() if user.op_type == "BatchNormalization"]
    if not users:
        return np.ones(1)
    scale, variance = _constant(users[0].inputs[1]), _constant(users[0].inputs[4])
    if scale is None or variance is None:
        return np.ones(1)
    epsilon = users[0].attributes.get_float("epsilon", 1e-5)
    return np.asarray(np.abs(scale) / np.sqrt(variance + epsilon))


def _constant(value: ir.Value | None) -> F64 | None:
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy().astype(np.float64)
