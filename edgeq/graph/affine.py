"""y = scale * x + shift per channel: read off a node, and folded into a neighbour's weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, replace_constant
from edgeq.graph.find_layer import weight_layout
from edgeq.graph.layer import Layer
from edgeq.graph.read import attribute_float, attribute_int, constant, is_op, only_consumer, rank
from edgeq.numerics.arrays import F64, AnyArray


@dataclass(frozen=True, eq=False)
class Affine:
    """The map y = scale * x + shift."""

    #: float64 [C], or () for all channels alike
    scale: F64
    #: float64 [C], or () for all channels alike
    shift: F64

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.shift).all())


@dataclass(frozen=True, eq=False)
class FoldableLayer:
    """A layer that one node alone reads, so that its weights can take up a scale and a shift.

    The Add that carries a MatMul's bias belongs to it.
    """

    node: ir.Node
    layer: Layer
    #: the Add that carries a MatMul's bias, or None
    bias_add: ir.Node | None
    #: the output of the layer, that of bias_add if there is one
    out: ir.Value
    #: axis of the channels of `out`, -1 if not known
    axis: int
    #: number of dimensions of `out`, None if not known
    rank: int | None

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.layer.out_channels


def linear_behind(value: ir.Value | None) -> FoldableLayer | None:
    """The layer that makes `value`, if one node alone reads it and its parameters are constant."""
    if value is None or only_consumer(value) is None:
        return None
    node = value.producer()
    if is_op(node, "Add"):
        return _matmul_add(value)
    layer = None if node is None else weight_layout(node)
    weight = None if node is None or layer is None else constant(node.inputs[1])
    if node is None or layer is None or weight is None or not np.issubdtype(weight.dtype, np.floating):
        return None
    if node.op_type == "MatMul":
        known = rank(value)
        return FoldableLayer(node, layer, None, value, -1 if known is None else known - 1, known)
    found = FoldableLayer(node, layer, None, value, 1, weight.ndim)
    return found if _has_plain_bias(found) else None


def _has_plain_bias(linear: FoldableLayer) -> bool:
    """Whether the bias is absent, or constant with one number per channel.

    A Gemm's bias could be a whole matrix.
    """
    node = linear.node
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True
    bias = _bias(node)
    rank, axis = (2, 1) if node.op_type == "Gemm" else (1, 0)
    return bias is not None and per_channel(bias, rank, axis, linear.channels) is not None


def _matmul_add(value: ir.Value) -> FoldableLayer | None:
    add = value.producer()
    assert add is not None
    for index in (0, 1):
        product, bias = linear_behind(add.inputs[index]), constant(add.inputs[1 - index])
        if product is None or bias is None or product.node.op_type != "MatMul" or product.bias_add is not None:
            continue
        if per_channel(bias, product.rank, product.axis, product.channels) is not None:
            return replace(product, bias_add=add, out=value)
    return None


def per_channel(array: AnyArray, rank: int | None, axis: int, channels: int) -> F64 | None:
    """`array`, broadcast to a tensor of `rank` dimensions, as one number per channel [channels].

    None when it is anything else.
    """
    if not np.issubdtype(array.dtype, np.floating) or array.ndim > (1 if rank is None else rank):
        return None
    shape = [1] * ((rank or 1) - array.ndim) + list(array.shape)
    size = shape.pop(axis)
    if any(other != 1 for other in shape) or size not in (1, channels):
        return None
    return np.broadcast_to(array.astype(np.float64).reshape(-1), (channels,))


def batch_norm_affine(node: ir.Node) -> Affine | None:
    """gamma * (x - mean) / sqrt(var + eps) + beta of an inference BatchNormalization, or None."""
    if not is_op(node, "BatchNormalization") or attribute_int(node, "training_mode", 0) or len(node.inputs) != 5:
        return None
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return None
    found = [constant(value) for value in node.inputs[1:5]]
    gamma, beta, mean, var = (None if array is None else array.astype(np.float64) for array in found)
    if gamma is None or beta is None or mean is None or var is None:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = gamma / np.sqrt(var + attribute_float(node, "epsilon", 1e-5))
        affine = Affine(scale, beta - mean * scale)
    return affine if affine.is_finite else None


def elementwise_affine(node: ir.Node, data: int, rank: int | None, axis: int, channels: int) -> Affine | None:
    """The affine of a Mul, Div, Add or Sub of input `data` with a constant, else None.

    The constant must be one number, or one per channel.
    """
    if not is_op(node, "Mul", "Div", "Add", "Sub") or (is_op(node, "Div") and data == 1):
        return None
    array = constant(node.inputs[1 - data])
    other = None if array is None else per_channel(array, rank, axis, channels)
    if other is None:
        return None
    one, zero = np.ones(channels), np.zeros(channels)
    with np.errstate(invalid="ignore", divide="ignore"):
        affine = {
            "Mul": lambda: Affine(other, zero),
            "Div": lambda: Affine(one / other, zero),
            "Add": lambda: Affine(one, other),
            "Sub": lambda: Affine(one, -other) if data == 0 else Affine(-one, other),
        }[node.op_type]()
    return affine if affine.is_finite else None


def fold_after(linear: FoldableLayer, affine: Affine, names: Names) -> bool:
    """Change the weights of `linear` so that it computes affine(linear(x)).

    Returns False and changes nothing when that is not possible or overflows the type of the
    weights.
    """
    node = linear.node
    weight = constant(node.inputs[1])
    assert weight is not None
    bias = constant(linear.bias_add.inputs[_bias_index(linear)]) if linear.bias_add is not None else _bias(node)
    scaled = linear.layer.scaled(weight, None, affine.scale)
    shifted = _bias_vector(linear, bias) * affine.scale + affine.shift
    with np.errstate(over="ignore"):
        new_weight, new_bias = scaled.astype(weight.dtype), shifted.astype(weight.dtype)
    if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
        return False
    if node.op_type == "MatMul" and linear.bias_add is None and new_bias.any():
        if linear.rank != 2:
            return False
        node.op_type = "Gemm"
    if not np.array_equal(new_weight, weight):
        replace_constant(node, 1, new_weight, names)
    if linear.bias_add is not None:
        replace_constant(linear.bias_add, _bias_index(linear), new_bias, names)
    elif bias is not None or new_bias.any():
        replace_constant(node, 2, new_bias, names)
        if attribute_float(node, "beta", 1.0) != 1.0:
            node.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    return True


def _bias_index(linear: FoldableLayer) -> int:
    assert linear.bias_add is not None
    return 1 if linear.bias_add.inputs[0] is linear.node.outputs[0] else 0


def _bias(node: ir.Node) -> AnyArray | None:
    return constant(node.inputs[2]) if len(node.inputs) > 2 else None


def _bias_vector(linear: FoldableLayer, bias: AnyArray | None) -> F64:
    if bias is None:
        return np.zeros(linear.channels)
    flat = np.broadcast_to(bias.astype(np.float64).reshape(-1), (linear.channels,))
    beta = attribute_float(linear.node, "beta", 1.0) if linear.node.op_type == "Gemm" else 1.0
    return np.asarray(flat * beta)
