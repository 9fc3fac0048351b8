"""The elements of a value and the multiply-accumulates of a node, from static shapes."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgeq.graph.read import attribute_int, dim, is_op

#: the assumed size of a dimension that is only known at run time (a sequence length, an image side)
UNKNOWN_DIM = 64
#: the key of a value's notes in memory under which its likely sizes are (likely_sizes.py)
LIKELY = "edgeq.likely_sizes"


def sizes(value: ir.Value | None) -> tuple[int, ...]:
    """The sizes of one sample of a value; none without a shape.

    An open dimension counts as what follows from likely sizes of the inputs; where nobody looked,
    the first (the batch) as 1 and any other as UNKNOWN_DIM.
    """
    shape = None if value is None else value.shape
    if value is None or shape is None:
        return ()
    dims = shape.dims
    known = tuple(size for size in dims if isinstance(size, int))
    if len(known) == len(dims):  # nearly always, and every cut asks for every node
        return known
    likely = value.meta.get(LIKELY)
    if likely is None or len(likely) != len(dims):
        likely = [UNKNOWN_DIM if axis else 1 for axis in range(len(dims))]
    return tuple(size if isinstance(size, int) else likely[axis] for axis, size in enumerate(dims))


def elements(value: ir.Value | None) -> int:
    """The elements of one sample of a value; 1 without a shape.

    Open dimensions are those of `sizes`.
    """
    return math.prod(sizes(value))


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
    first = sizes(node.inputs[0])
    if not first:
        return 1
    return first[-2 if node.op_type == "Gemm" and attribute_int(node, "transA", 0) and len(first) > 1 else -1]
