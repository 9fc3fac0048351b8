"""Values that only a bounded function reads (Softmax, Sigmoid, Tanh, HardSigmoid), in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_float, attribute_int, clip_bounds, is_op, nodes, only_consumer, scalar
from edgeq.numerics.arrays import F32
from edgeq.schema.plan import Plan

Function = Callable[[F32], F32]


@dataclass(frozen=True, eq=False)
class BoundedReader:
    """A bounded function that alone reads a value."""

    #: name of the value
    value: str
    op_type: str
    function: Function
    #: the axis along which the function combines elements; None: it is elementwise
    axis: int | None = None


def bounded_readers(model: ir.Model, plan: Plan) -> tuple[BoundedReader, ...]:
    """The readers of values that have a grid of their own and no other reader, in graph order."""
    found = []
    for node in nodes(model):
        value = node.inputs[0] if node.inputs else None
        grid = None if value is None else plan.grids.get(str(value.name))
        if value is None or grid is None or grid.group is not None or grid.readers != "all" or only_consumer(value) is not node:
            continue
        function = _function(node)
        if function is not None:
            axis = attribute_int(node, "axis", -1) if is_op(node, "Softmax") else None
            found.append(BoundedReader(str(value.name), node.op_type, function, axis))
    return tuple(found)


def _function(node: ir.Node) -> Function | None:
    """The node as a function of float32 arrays (Softmax: over the last axis), or None."""
    if is_op(node, "Softmax"):
        return _softmax
    if is_op(node, "Sigmoid"):
        return _sigmoid
    if is_op(node, "Tanh"):
        return np.tanh
    if is_op(node, "HardSigmoid"):
        alpha, beta = attribute_float(node, "alpha", 0.2), attribute_float(node, "beta", 0.5)
        return lambda x: np.clip(x * np.float32(alpha) + np.float32(beta), 0, 1)
    return _shifted_clip(node)


def _softmax(x: F32) -> F32:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)


def _sigmoid(x: F32) -> F32:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x), np.float32)


def _shifted_clip(node: ir.Node) -> Function | None:
    """Add of a number, then Clip at both ends: a HardSigmoid that was lowered for the target."""
    shift = scalar(node.inputs[1]) if is_op(node, "Add") else None
    reader = only_consumer(node.outputs[0])
    if shift is None or reader is None or not is_op(reader, "Clip"):
        return None
    bounds, by = clip_bounds(reader), np.float32(shift)
    if bounds is None or not np.all(np.isfinite(bounds)):
        return None
    low, high = np.array(bounds, np.float32)
    return lambda x: np.clip(x + by, low, high)
