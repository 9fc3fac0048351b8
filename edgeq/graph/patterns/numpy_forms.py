"""What operators without a window compute, in numpy and float64; regions.py evaluates by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_float, attribute_int, attribute_ints, is_op
from edgeq.numerics.arrays import AnyArray

_ERF = np.vectorize(math.erf, otypes=[np.float64])

#: operators of one number, without attributes
_OF_ONE: Mapping[str, Callable[[AnyArray], AnyArray]] = {
    "Abs": np.abs,
    "Erf": _ERF,
    "Exp": np.exp,
    "Identity": lambda x: x,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0.0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x: np.logaddexp(x, 0.0),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}
#: operators of two values
_OF_TWO: Mapping[str, Callable[[AnyArray, AnyArray], AnyArray]] = {
    "Add": np.add,
    "Div": np.divide,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Mul": np.multiply,
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
    "Pow": np.power,
    "Sub": np.subtract,
}
#: operators of any number of values
_OF_MANY: Mapping[str, Callable[[AnyArray, AnyArray], AnyArray]] = {"Max": np.maximum, "Min": np.minimum, "Sum": np.add}


def computed(node: ir.Node, inputs: Sequence[AnyArray | None]) -> AnyArray | None:
    """The first output of a node; None for operators that have no form here."""
    first = inputs[0] if inputs else None
    if node.domain not in ("", "ai.onnx") or first is None:
        return None
    given = [value for value in inputs if value is not None]
    if node.op_type in _OF_ONE:
        return _OF_ONE[node.op_type](first)
    if node.op_type in _OF_TWO:
        return _OF_TWO[node.op_type](*given)
    if node.op_type in _OF_MANY:
        return reduce(_OF_MANY[node.op_type], given)
    return _with_attributes(node, first, inputs)


def _with_attributes(node: ir.Node, first: AnyArray, inputs: Sequence[AnyArray | None]) -> AnyArray | None:
    if is_op(node, "Where"):
        second, third = inputs[1], inputs[2]
        return None if second is None or third is None else np.where(first, second, third)
    if is_op(node, "Clip"):
        low, high = (inputs[i] if i < len(inputs) else None for i in (1, 2))
        above = np.maximum(first, attribute_float(node, "min", -np.inf) if low is None else low)
        return np.minimum(above, attribute_float(node, "max", np.inf) if high is None else high)
    if is_op(node, "LeakyRelu"):
        return np.where(first < 0, attribute_float(node, "alpha", 0.01) * first, first)
    if is_op(node, "Elu"):
        return np.where(first < 0, attribute_float(node, "alpha", 1.0) * np.expm1(first), first)
    if is_op(node, "HardSigmoid"):
        return np.clip(attribute_float(node, "alpha", 0.2) * first + attribute_float(node, "beta", 0.5), 0.0, 1.0)
    if is_op(node, "HardSwish"):
        return first * np.clip(first / 6 + 0.5, 0.0, 1.0)
    if is_op(node, "Gelu"):
        return gelu(first, node.attributes.get_string("approximate", "none") == "tanh")
    if is_op(node, "ReduceMean"):
        axes = reduced_axes(node, first.ndim, inputs[1] if len(inputs) > 1 else None)
        return None if axes is None else np.asarray(np.mean(first, axis=axes, keepdims=attribute_int(node, "keepdims", 1) != 0))
    return None


def gelu(x: AnyArray, by_tanh: bool) -> AnyArray:
    """x times the normal distribution at x, or its approximation by tanh.

    Source: Hendrycks and Gimpel, arXiv:1606.08415.
    """
    if by_tanh:
        return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + _ERF(x / np.sqrt(2))))


def reduced_axes(node: ir.Node, rank: int, axes: AnyArray | None) -> tuple[int, ...] | None:
    """The axes, from 0 on, over which a reduction goes; None where it keeps its input as it is.

    axes: its second input, where it has one (from opset 18 on).
    """
    named = attribute_ints(node, "axes") if axes is None else tuple(int(axis) for axis in np.asarray(axes).reshape(-1))
    if not named:
        return None if attribute_int(node, "noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(axis % rank for axis in named))
