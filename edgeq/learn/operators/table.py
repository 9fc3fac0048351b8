"""ONNX operators in torch: layers, pooling, elementwise functions, arithmetic and data movement."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it

from edgeq.graph.read import attribute_float, attribute_int, attribute_ints
from edgeq.learn.operators.general import GENERAL_OPERATORS
from edgeq.learn.operators.operands import Operands, Tensor, TorchOperator, refuse
from edgeq.learn.operators.transformers import TRANSFORMER_OPERATORS


def _turned(pads: Sequence[int]) -> list[int]:
    """ONNX pads (all begins, then all ends) in torch's order: pairs, the last axis first."""
    half = len(pads) // 2
    return [side for axis in reversed(range(half)) for side in (pads[axis], pads[axis + half])]


def _padded(node: ir.Node, x: Tensor, value: float) -> Tensor:
    """The input with its padding written out, since torch pads both ends of an axis alike."""
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID"):
        raise refuse(node, f"with auto_pad {auto}")
    pads = attribute_ints(node, "pads") or ()
    if not any(pads):
        return x
    return F.pad(x, _turned(pads), value=value)


def _conv(node: ir.Node, x: Operands) -> Tensor:
    space = x[1].dim() - 2
    if space not in (1, 2):
        raise refuse(node, f"of {space} dimensions")
    ones = (1,) * space
    run = F.conv1d if space == 1 else F.conv2d
    stride, dilation = attribute_ints(node, "strides") or ones, attribute_ints(node, "dilations") or ones
    result: Tensor = run(_padded(node, x[0], 0.0), x[1], x.get(2), stride, 0, dilation, attribute_int(node, "group", 1))
    return result


def _gemm(node: ir.Node, x: Operands) -> Tensor:
    a = x[0].T if attribute_int(node, "transA", 0) else x[0]
    b = x[1].T if attribute_int(node, "transB", 0) else x[1]
    result: Tensor = attribute_float(node, "alpha", 1.0) * (a @ b)
    bias = x.get(2)
    return result if bias is None else result + attribute_float(node, "beta", 1.0) * bias


def _plain_window(node: ir.Node, x: Operands) -> tuple[list[int], list[int]]:
    ceil = attribute_int(node, "ceil_mode", 0) and (node.op_type != "MaxPool" or any(attribute_ints(node, "pads") or ()))
    if x[0].dim() != 4 or ceil or any(d != 1 for d in attribute_ints(node, "dilations") or ()):
        raise refuse(node, "of this form")
    return list(attribute_ints(node, "kernel_shape") or ()), list(attribute_ints(node, "strides") or (1, 1))


def _max_pool(node: ir.Node, x: Operands) -> Tensor:
    kernel, strides = _plain_window(node, x)
    result: Tensor = F.max_pool2d(_padded(node, x[0], float("-inf")), kernel, strides, ceil_mode=bool(attribute_int(node, "ceil_mode", 0)))
    return result


def _average_pool(node: ir.Node, x: Operands) -> Tensor:
    kernel, strides = _plain_window(node, x)
    total: Tensor = F.avg_pool2d(_padded(node, x[0], 0.0), kernel, strides, divisor_override=1)
    if attribute_int(node, "count_include_pad", 0):
        return total / (kernel[0] * kernel[1])
    counted: Tensor = F.avg_pool2d(_padded(node, torch.ones_like(x[0]), 0.0), kernel, strides, divisor_override=1)
    return total / counted


def _global_average(_: ir.Node, x: Operands) -> Tensor:
    return x[0].mean(tuple(range(2, x[0].dim())), keepdim=True)


def _clip(_: ir.Node, x: Operands) -> Tensor:
    low, high = x.get(1), x.get(2)
    above = x[0] if low is None else torch.maximum(x[0], low)
    return above if high is None else torch.minimum(above, high)


def _flatten(node: ir.Node, x: Operands) -> Tensor:
    axis = attribute_int(node, "axis", 1)
    rows = 1
    for size in x[0].shape[:axis]:
        rows *= size
    return x[0].reshape(rows, -1)


def _reshape(node: ir.Node, x: Operands) -> Tensor:
    sizes = x.ints(1)
    if not attribute_int(node, "allowzero", 0):  # with it, a 0 is a size
        sizes = [x[0].shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x[0].reshape(sizes)


def _transpose(node: ir.Node, x: Operands) -> Tensor:
    return x[0].permute(attribute_ints(node, "perm") or tuple(reversed(range(x[0].dim()))))


def _concat(node: ir.Node, x: Operands) -> Tensor:
    return torch.cat([x[at] for at, one in enumerate(x.given) if one is not None], attribute_int(node, "axis", 0))


def _pad(node: ir.Node, x: Operands) -> Tensor:
    if node.attributes.get_string("mode", "constant") != "constant" or x.get(3) is not None:
        raise refuse(node, "of this form")
    pads, value = x.ints(1), x.get(2)
    return F.pad(x[0], _turned(pads), value=0.0 if value is None else float(value))


def _slice(node: ir.Node, x: Operands) -> Tensor:
    """Slice with positive steps. Python slices clamp starts and ends as ONNX does."""
    starts, ends = x.ints(1), x.ints(2)
    axes = list(range(len(starts))) if x.get(3) is None else x.ints(3)
    steps = [1] * len(starts) if x.get(4) is None else x.ints(4)
    if min(steps) < 1:
        raise refuse(node, "with negative steps")
    where = [slice(None)] * x[0].dim()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        where[axis] = slice(start, end, step)
    return x[0][tuple(where)]


def _hard_sigmoid(node: ir.Node, x: Operands) -> Tensor:
    alpha, beta = attribute_float(node, "alpha", 0.2), attribute_float(node, "beta", 0.5)
    return torch.clamp(alpha * x[0] + beta, 0.0, 1.0)


def _softmax(node: ir.Node, x: Operands) -> Tensor:
    return torch.softmax(x[0], attribute_int(node, "axis", -1))


OPERATORS: dict[str, TorchOperator] = (
    {
        "Add": lambda _, x: x[0] + x[1],
        "AveragePool": _average_pool,
        "Clip": _clip,
        "Concat": _concat,
        "Conv": _conv,
        "Div": lambda _, x: x[0] / x[1],
        "Flatten": _flatten,
        "Gemm": _gemm,
        "GlobalAveragePool": _global_average,
        "HardSigmoid": _hard_sigmoid,
        "HardSwish": lambda _, x: F.hardswish(x[0]),
        "Identity": lambda _, x: x[0],
        "MatMul": lambda _, x: x[0] @ x[1],
        "MaxPool": _max_pool,
        "Mul": lambda _, x: x[0] * x[1],
        "Pad": _pad,
        "Relu": lambda _, x: torch.relu(x[0]),
        "Reshape": _reshape,
        "Sigmoid": lambda _, x: torch.sigmoid(x[0]),
        "Slice": _slice,
        "Softmax": _softmax,
        "Sub": lambda _, x: x[0] - x[1],
        "Tanh": lambda _, x: torch.tanh(x[0]),
        "Transpose": _transpose,
    }
    | TRANSFORMER_OPERATORS
    | GENERAL_OPERATORS
)
