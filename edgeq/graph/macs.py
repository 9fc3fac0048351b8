"""The elements of a value and the multiply-accumulates of a node, from static shapes."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgeq.graph.read import attribute_int, dim, is_op

#: the assumed size of a dimension that is only known at run time (a sequence length, an image side)
UNKNOWN_DIM = 64


def elements(value: ir.Value | None) -> int:
    """The elements of one sample of a value; 1 without a shape.

    An unknown first dimension (the batch) counts as 1, any other unknown dimension as UNKNOWN_DIM.
    """
    if value is None or value.shape is None:
        return 1
    dims = [size if isinstance(size, int) else (1 if axis == 0 else UNKNOWN_DIM) for axis, size in enumerate(value.shape)]
    return math.prod(dims)


def macs(node: ir.Node) -> int:
    """The multiply-accumulates of a node for one sample.

    Only Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU and RNN have any; every other operator counts
    0. A recurrent layer multiplies both of its weights at every step.

    >>> import onnx_ir as ir
    >>> text = '<ir_version: 8, opset_import: ["" : 17]> net (float[4, 3] x, float[3, 2] w) '
    >>> model = ir.from_onnx_text(text + "=> (float[4, 2] y) { y = MatMul(x, w) }")
    >>> macs(model.graph.node(0))
    24
    """
    if is_op(node, "Conv", "ConvTranspose"):
        weight = node.inputs[1]
        if weight is None or weight.shape is None:
            return 0
        per_position = math.prod(size for size in weight.shape[1:] if isinstance(size, int))
        return per_position * elements(node.outputs[0] if node.op_type == "Conv" else node.inputs[0])
    if is_op(node, "Gemm", "MatMul"):
        return elements(node.outputs[0]) * _inner(node)
    return _steps(node) * sum(elements(weight) for weight in node.inputs[1:3]) if is_op(node, "LSTM", "GRU", "RNN") else 0


def _steps(node: ir.Node) -> int:
    """The steps of a recurrent layer in all rows of the batch: an unknown length is UNKNOWN_DIM."""
    sequence, batch = (1, 0) if attribute_int(node, "layout", 0) else (0, 1)
    length, rows = dim(node.inputs[0], sequence), dim(node.inputs[0], batch)
    return (UNKNOWN_DIM if length is None else length) * (1 if rows is None else rows)


def _inner(node: ir.Node) -> int:
    """The size of the summed-over dimension of a matrix product."""
    first = node.inputs[0]
    if first is None or first.shape is None or len(first.shape) == 0:
        return 1
    axis = -2 if node.op_type == "Gemm" and attribute_int(node, "transA", 0) and len(first.shape) > 1 else -1
    size = first.shape[axis]
    return size if isinstance(size, int) else UNKNOWN_DIM
