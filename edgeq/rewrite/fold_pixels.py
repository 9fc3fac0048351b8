"""Fold the preprocessing of raw pixels into a float model: into the first layer, or before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.errors import UnsupportedOp
from edgeq.graph.edit import Names, add_constant, replace_constant
from edgeq.graph.read import attribute_float, attribute_int, attribute_ints, constant, dim, is_op, only_consumer, operator_of, rank
from edgeq.numerics.arrays import F64
from edgeq.numerics.grid import QuantParams
from edgeq.schema.pixels import OPTION, PixelMap, is_grid, keeps_zero


def fold_pixels(model: ir.Model, maps: Mapping[str, PixelMap], grids: Mapping[str, QuantParams]) -> ir.Model:
    """A copy of the model that reads pixels p on a grid, r = s (p - z), instead of the map's x.

    With x = gain r + offset:

    1. If r and x are equal, nothing changes.
    2. A first layer that alone reads the input takes gain and offset into its weights and bias. If
       it pads with zeros, it does not take the offset, since these would no longer be zeros of x.
    3. A 1x1 Conv with one weight per channel applies what is left before the layer.

    Raises UnsupportedOp for an input that none of these fits.
    """
    copy = model.clone()
    names = Names(copy)
    for value in copy.graph.inputs:
        one = maps.get(str(value.name))
        if one is not None and not is_grid(one, grids[str(value.name)]):
            _fold(copy.graph, value, one, grids[str(value.name)], names)
    return copy


def _fold(graph: ir.Graph, value: ir.Value, one: PixelMap, grid: QuantParams, names: Names) -> None:
    scale, zero = float(grid.scale), int(grid.zero_point)
    gain = np.asarray(one.scale) / scale
    offset = np.zeros(len(gain)) if keeps_zero(one, grid) else np.asarray(one.scale) * (zero - np.asarray(one.zero))
    size = rank(value)
    assert size is not None  # pixel_maps refuses other inputs
    axis: int | None = one.axis % size
    reader = only_consumer(value)
    here = value
    while reader is not None and _hands_on(reader, one) and reader.inputs[0] is here:
        if is_op(reader, "Transpose") and axis is not None:
            axis = (attribute_ints(reader, "perm") or tuple(reversed(range(size)))).index(axis)
        here = reader.outputs[0]
        reader = only_consumer(here)
    layer = reader if reader is not None and reader.inputs[0] is here else None
    if layer is not None and _into_layer(layer, gain, offset, axis, names):
        return
    if layer is not None and _into_layer(layer, gain, np.zeros(len(gain)), axis, names):
        gain, offset = np.ones(len(gain)), offset / gain  # weights of 1 are exact on every grid
    _before(graph, value, one, gain, offset, names)


def _hands_on(node: ir.Node, one: PixelMap) -> bool:
    """Whether the node leaves elements unchanged, and the channel axis known where it matters."""
    return is_op(node, "Identity", "Transpose") or (one.same and operator_of(node).moves == "views")


def _into_layer(node: ir.Node, gain: F64, offset: F64, axis: int | None, names: Names) -> bool:
    weight = constant(node.inputs[1]) if is_op(node, "Conv", "Gemm", "MatMul") else None
    if weight is None or (len(node.inputs) > 2 and node.inputs[2] is not None and constant(node.inputs[2]) is None):
        return False
    if is_op(node, "Conv"):
        padded = any(attribute_ints(node, "pads") or ()) or node.attributes.get_string("auto_pad", "NOTSET").startswith("SAME")
        if (padded and offset.any()) or (axis != 1 and gain.size > 1):
            return False
        return _into_conv(node, weight.astype(np.float64), gain, offset, names)
    return gain.size == 1 and _into_product(node, weight.astype(np.float64), float(gain[0]), float(offset[0]), names)


def _into_conv(node: ir.Node, weight: F64, gain: F64, offset: F64, names: Names) -> bool:
    groups, channels = attribute_int(node, "group", 1), weight.shape[1]
    rows = weight.reshape(groups, -1, channels, int(np.prod(weight.shape[2:])))
    shape = (groups, 1, channels, 1)
    gains, offsets = (np.broadcast_to(one, groups * channels).reshape(shape) for one in (gain, offset))
    replace_constant(node, 1, (rows * gains).reshape(weight.shape).astype(np.float32), names)
    if offset.any():
        _add_to_bias(node, (rows * offsets).sum((2, 3)).reshape(-1), names)
    return True


def _into_product(node: ir.Node, weight: F64, gain: float, offset: float, names: Names) -> bool:
    transposed = is_op(node, "Gemm") and attribute_int(node, "transB", 0)
    plain = attribute_float(node, "alpha", 1.0) == attribute_float(node, "beta", 1.0) == 1.0 and not attribute_int(node, "transA", 0)
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if weight.ndim != 2 or not plain or (bias is not None and bias.size != max(bias.shape, default=1)):
        return False
    if is_op(node, "MatMul") and offset:
        if rank(node.inputs[0]) != 2:
            return False
        node.op_type = "Gemm"
    replace_constant(node, 1, (weight * gain).astype(np.float32), names)
    if offset:
        _add_to_bias(node, offset * weight.sum(1 if transposed else 0), names)
    return True


def _add_to_bias(node: ir.Node, shift: F64, names: Names) -> None:
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    old = np.zeros(1) if bias is None else bias.astype(np.float64).reshape(-1)
    replace_constant(node, 2, (old + shift).astype(np.float32), names)


def _before(graph: ir.Graph, value: ir.Value, one: PixelMap, gain: F64, offset: F64, names: Names) -> None:
    """Insert a 1x1 Conv behind the input, between Transposes if the channels are not axis 1."""
    size = rank(value)
    assert size is not None
    channels = dim(value, one.axis)
    if size < 3 or channels is None:
        what = "The preprocessing of pixels can be folded neither into a grid of the input nor into the layer that reads it."
        fix = f"Leave {OPTION} out, or feed the model as [N, C, H, W] with a known number of channels."
        raise UnsupportedOp(what, f"input {value.name}", fix)
    uses, stem = list(value.uses()), str(value.name)
    order = (0, one.axis % size, *(axis for axis in range(1, size) if axis != one.axis % size))
    moved = order != tuple(range(size))
    weight = np.broadcast_to(gain, channels).reshape(-1, *[1] * (size - 1)).astype(np.float32)
    bias = np.broadcast_to(offset, channels).astype(np.float32)
    made: list[ir.Node] = []

    def step(op_type: str, inputs: list[ir.Value], attribute: ir.Attr) -> ir.Value:
        output = ir.Value(name=names.value(f"{stem}_{op_type.lower()}"), type=ir.TensorType(ir.DataType.FLOAT))
        made.append(ir.Node("", op_type, inputs, [attribute], outputs=[output], name=names.node(f"{stem}_{op_type}")))
        return output

    here = step("Transpose", [value], ir.AttrInt64s("perm", order)) if moved else value
    constants = [add_constant(graph, array, names.value(f"{stem}_{kind}")) for kind, array in (("gain", weight), ("offset", bias))]
    here = step("Conv", [here, *constants], ir.AttrInt64("group", channels))
    here = step("Transpose", [here], ir.AttrInt64s("perm", tuple(int(a) for a in np.argsort(order)))) if moved else here
    here.shape = value.shape
    graph.insert_before(graph[0], made)
    for node, index in uses:
        node.replace_input_with(index, here)
