"""Find the nodes that are layers with a constant weight.

weight_layout finds all of them, layer_of those whose input rows can be taken, scalable_layer those
whose channels can be scaled. every_group tells which outputs a scale of the weight serves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.layer import Layer, Window
from edgeq.graph.macs import elements
from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op, operator_of, rank
from edgeq.numerics.arrays import F32, AnyArray


def weight_layout(node: ir.Node, index: int = 1) -> Layer | None:
    """The Layer of a node with a constant weight, without a window; None for any other node.

    The node is a Conv, ConvTranspose, Gemm or MatMul, and its input `index` a constant matrix or
    kernel. Nothing else is checked.
    """
    if not operator_of(node).layer or len(node.inputs) <= index:
        return None
    source, weight = node.inputs[0], constant(node.inputs[index])
    if source is None or weight is None:
        return None
    name, read = str(node.name), str(source.name)
    if is_op(node, "Gemm", "MatMul"):
        if weight.ndim != 2:
            return None
        transposed = is_op(node, "Gemm") and attribute_int(node, "transB", 0) != 0
        columns, outputs = weight.shape[::-1] if transposed else weight.shape
        return Layer(name, read, 1, (columns,), outputs, not transposed, _axis(node), elements(source) // max(1, columns))
    groups = attribute_int(node, "group", 1)
    if weight.ndim < 2:
        return None
    first, second = weight.shape[:2]
    if is_op(node, "Conv"):
        kernel, outputs = weight.shape[1:], first // groups
    else:
        kernel, outputs = (first // groups, *weight.shape[2:]), second
    positions = elements(node.outputs[0]) // max(1, groups * outputs)
    return Layer(name, read, groups, tuple(kernel), outputs, is_op(node, "ConvTranspose"), 1, positions)


def _axis(node: ir.Node) -> int | None:
    """The channel axis of a matrix product; None for a MatMul of unknown or unequal ranks."""
    if is_op(node, "Gemm"):
        return 1
    ends = rank(node.inputs[0]), rank(node.outputs[0])
    return None if ends[0] is None or ends[0] != ends[1] else ends[0] - 1


def layer_of(node: ir.Node, weight_index: int = 1) -> Layer | None:
    """The Layer of a node that multiplies rows of its input with a constant matrix, else None.

    None also for a grouped ConvTranspose, where one scale along axis 1 serves several outputs.
    """
    layer = weight_layout(node, weight_index)
    if layer is None or constant(node.inputs[0]) is not None or attribute_int(node, "transA", 0):
        return None
    if is_op(node, "Gemm", "MatMul"):
        return layer
    window = _transposed_window(node, layer) if is_op(node, "ConvTranspose") else _window(node, layer)
    return None if window is None else replace(layer, window=window)


def _window(node: ir.Node, layer: Layer) -> Window:
    once = (1,) * (len(layer.kernel) - 1)
    strides, dilations = (attribute_ints(node, name) or once for name in ("strides", "dilations"))
    pads = attribute_ints(node, "pads") or (0,) * (2 * len(once))
    return Window(strides, dilations, pads, node.attributes.get_string("auto_pad", "NOTSET"))


def _transposed_window(node: ir.Node, layer: Layer) -> Window | None:
    """The window of a ConvTranspose seen as a convolution.

    None if it has groups, or if its padding is not given as numbers or exceeds the reach of its
    kernel.
    """
    plain, spatial = _window(node, layer), len(layer.kernel) - 1
    extra = attribute_ints(node, "output_padding") or (0,) * spatial
    reach = [(k - 1) * d for k, d in zip(layer.kernel[1:], plain.dilations, strict=True)]
    begins = [r - pad for r, pad in zip(reach, plain.pads[:spatial], strict=True)]
    ends = [r - pad + more for r, pad, more in zip(reach, plain.pads[spatial:], extra, strict=True)]
    explicit = plain.auto_pad == "NOTSET" and "output_shape" not in node.attributes
    if layer.groups != 1 or not explicit or min((*begins, *ends), default=0) < 0:
        return None
    return Window((1,) * spatial, plain.dilations, (*begins, *ends), spread=plain.strides)


def scalable_layer(node: ir.Node) -> Layer | None:
    """The Layer of a node whose weight and bias can take up channel scales, else None.

    These are scales of the channels of its input and of its output.
    """
    layer = weight_layout(node)
    if layer is None or layer.axis is None or attribute_int(node, "transA", 0):
        return None
    weight, bias = constant(node.inputs[1]), node.inputs[2] if len(node.inputs) > 2 else None
    array = constant(bias)
    if weight is None or weight.dtype != np.float32 or (bias is not None and array is None):
        return None
    return None if array is not None and is_op(node, "Gemm") and not _one_each(array, layer.out_channels) else layer


def _one_each(bias: AnyArray, channels: int) -> bool:
    """Whether a Gemm's bias is one number, or one per channel."""
    return bias.size in (1, channels) and bias.shape[-1:] in ((), (1,), (channels,))


def every_group(node: ir.Node, scale: F32) -> F32:
    """The scale of each output channel, [C] or (), from the scales of the layer's weight.

    The weight of a ConvTranspose is [C_in, C / groups, ...]: a scale along its axis 1 serves one
    output of every group. All other weights have an entry per output.
    """
    repeats = is_op(node, "ConvTranspose") and scale.ndim > 0
    return np.tile(scale, attribute_int(node, "group", 1)) if repeats else scale
