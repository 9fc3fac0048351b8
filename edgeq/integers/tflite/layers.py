"""Layers with weights: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_float, attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.tflite.activations import fused
from edgeq.integers.tflite.emitter import Emitter, codes, made, refused, shape_of, signed, signed_codes
from edgeq.integers.tflite.layout import stored
from edgeq.integers.tflite.windows import SAME, VALID, padded_input, same_total, window_of
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import PerChannel, QuantParams


def conv(e: Emitter, step: IntegerOp) -> None:
    source, (weight, grid) = codes(step, 0), weight_of(step)
    groups, channels = attribute_int(step.node, "group", 1), shape_of(source, step)[1]
    window = window_of(step, attribute_ints(step.node, "kernel_shape") or weight.shape[2:])
    assert source.grid is not None
    tensor, padding = padded_input(e, step, window, source.grid, "zero")
    options = {
        "Padding": padding,
        "StrideH": window.strides[0],
        "StrideW": window.strides[1],
        "DilationHFactor": window.dilations[0],
        "DilationWFactor": window.dilations[1],
        "FusedActivationFunction": fused(step),
    }
    bias = _bias(e, step, weight.shape[0], source.grid, grid)
    if groups == channels and groups > 1:
        # OIHW with I = 1 -> 1HWO; ONNX and TFLite number the outputs of a channel alike
        stored_weight = e.weight(f"{step.name}_weight", np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0)[None]), grid, 3)
        options["DepthMultiplier"] = weight.shape[0] // channels
        e.op("DEPTHWISE_CONV_2D", [tensor, stored_weight, bias], [e.output(step)], "DepthwiseConv2DOptions", options, 3)
    else:
        stored_weight = e.weight(f"{step.name}_weight", np.ascontiguousarray(weight.transpose(0, 2, 3, 1)), grid, 0)
        e.op("CONV_2D", [tensor, stored_weight, bias], [e.output(step)], "Conv2DOptions", options, 3)


def transpose_conv(e: Emitter, step: IntegerOp) -> None:
    source, (weight, grid) = codes(step, 0), weight_of(step)
    node = step.node
    if attribute_int(node, "group", 1) != 1 or any(d != 1 for d in attribute_ints(node, "dilations") or ()) or weight.ndim != 4:
        raise refused(step, "it has groups, dilations or other than two spatial axes")
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        raise refused(step, "its padding is not explicit (auto_pad)")
    if fused(step):
        raise refused(step, "it is followed by a Relu or Clip that its output grid does not imply")
    strides = attribute_ints(node, "strides") or (1, 1)
    begins = (attribute_ints(node, "pads") or (0, 0, 0, 0))[:2]
    sizes, wanted = shape_of(source, step)[2:], shape_of(step.outputs[0], step)
    whole = [(size - 1) * stride + kernel for size, stride, kernel in zip(sizes, strides, weight.shape[2:], strict=True)]
    totals = [same_total(out, kernel, stride) for out, kernel, stride in zip(wanted[2:], weight.shape[2:], strides, strict=True)]
    same = all(out == size * stride for out, size, stride in zip(wanted[2:], sizes, strides, strict=True))
    same = same and all(begin == total // 2 for begin, total in zip(begins, totals, strict=True))
    if not same and any(begin + out > full for begin, out, full in zip(begins, wanted[2:], whole, strict=True)):
        raise refused(step, "its output padding reaches beyond the windows")
    assert source.grid is not None
    per_channel = QuantParams(grid.dtype, grid.scale, grid.zero_point, PerChannel(0)) if grid.scale.ndim else grid
    stored_weight = e.weight(f"{step.name}_weight", np.ascontiguousarray(weight.transpose(1, 2, 3, 0)), per_channel, 0)
    bias = _bias(e, step, weight.shape[1], source.grid, grid)
    shape = stored(wanted) if same else (wanted[0], *whole, wanted[1])
    crop = not same and shape != stored(wanted)
    target = e.scratch(f"{step.outputs[0].name}_whole", shape, made(step)) if crop else e.output(step)
    inputs = [e.ints("output_shape", shape), stored_weight, e.tensor(source, step), bias]
    options = {"Padding": SAME if same else VALID, "StrideH": strides[0], "StrideW": strides[1]}
    e.op("TRANSPOSE_CONV", inputs, [target], "TransposeConvOptions", options, 3)
    if crop:
        start = [0, *begins, 0]
        bounds = [e.ints("begin", start), e.ints("end", [a + b for a, b in zip(start, stored(wanted), strict=True)])]
        e.op("STRIDED_SLICE", [target, *bounds, e.ints("strides", [1] * 4)], [e.output(step)], "StridedSliceOptions", version=2)


def gemm(e: Emitter, step: IntegerOp) -> None:
    node, source, (weight, grid) = step.node, codes(step, 0), weight_of(step)
    if attribute_float(node, "alpha", 1.0) != 1.0 or attribute_float(node, "beta", 1.0) != 1.0 or attribute_int(node, "transA", 0):
        raise refused(step, "it has alpha, beta or transA")
    rows = weight if attribute_int(node, "transB", 0) else weight.T
    image = e.flattened.get(source.name)
    if image is not None:
        rows = rows.reshape(len(rows), *image).transpose(0, 2, 3, 1).reshape(len(rows), -1)
    _fully_connected(e, step, e.tensor(source, step), e.output(step), rows, grid)


def matmul(e: Emitter, step: IntegerOp) -> None:
    source, (weight, grid) = codes(step, 0), weight_of(step)
    if weight.ndim != 2:
        raise refused(step, "its weight is not a constant matrix")
    tensor = e.plain(source, step)
    target, final = e.plain_output(step)
    _fully_connected(e, step, tensor, target, weight.T, grid)
    if target != final:
        e.transposed(target, (0, 2, 3, 1), final)


def _fully_connected(e: Emitter, step: IntegerOp, tensor: int, target: int, rows: AnyArray, grid: QuantParams) -> None:
    source = codes(step, 0)
    assert source.grid is not None
    bias = _bias(e, step, len(rows), source.grid, grid)
    stored_weight = e.weight(f"{step.name}_weight", np.ascontiguousarray(rows), grid, 0)
    options = {"FusedActivationFunction": fused(step), "KeepNumDims": len(e.tensors[tensor].shape) != 2}
    e.op("FULLY_CONNECTED", [tensor, stored_weight, bias], [target], "FullyConnectedOptions", options, 12 if grid.scale.ndim else 4)


def weight_of(step: IntegerOp) -> tuple[AnyArray, QuantParams]:
    """int8 codes with zero point 0. Raises UnsupportedOp for any other weight."""
    weight = step.inputs[1] if len(step.inputs) > 1 else None
    if weight is None or weight.data is None or weight.grid is None or weight.data.dtype not in (np.int8, np.uint8):
        raise refused(step, "its weight is not a constant of 8 bits")
    grid = signed(weight.grid)
    if np.any(grid.zero_point):
        raise refused(step, "its weight has a zero point other than 0")
    made(step)
    return signed_codes(weight.data), grid


def _bias(e: Emitter, step: IntegerOp, channels: int, source: QuantParams, weight: QuantParams) -> int:
    """The bias in int32 at input scale * weight scale: zeros where there is none."""
    scale = np.atleast_1d(np.float32(source.scale) * weight.scale)
    grid = QuantParams("int32", scale if weight.scale.ndim else scale[0], np.zeros(weight.scale.shape, np.int32), weight.granularity)
    operand: Operand | None = step.inputs[2] if len(step.inputs) > 2 else None
    if operand is None:
        return e.weight(f"{step.name}_bias", np.zeros(channels, np.int32), grid, 0)
    if operand.data is None:
        raise refused(step, "its bias is not constant")
    if operand.grid is None:
        data = np.asarray(np.rint(operand.data.astype(np.float64).reshape(-1) / scale), np.int64)
    else:
        if not np.allclose(operand.grid.scale, grid.scale, rtol=1e-3):
            raise refused(step, "the scale of its bias is not input scale * weight scale")
        data = operand.data.astype(np.int64).reshape(-1)
    data = np.broadcast_to(data, channels)
    if np.abs(data).max(initial=0) >= 2**31:
        raise refused(step, "its bias does not fit into int32")
    return e.weight(f"{step.name}_bias", np.ascontiguousarray(data.astype(np.int32)), grid, 0)
