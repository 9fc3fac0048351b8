"""Conv on codes: CONV_2D and DEPTHWISE_CONV_2D of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.layer import finish_layer
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.interpreter.patches import patches
from edgeq.integers.operands import codes, refused, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.fused import fused
from edgeq.integers.tflite.padding import padded_input
from edgeq.integers.weights import bias_codes, weight_of
from edgeq.integers.windows import window_of


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit CONV_2D, or DEPTHWISE_CONV_2D where each group has one input channel."""
    source, (weight, grid) = codes(step, 0), weight_of(step)
    groups, channels = attribute_int(step.node, "group", 1), shape_of(source, step)[1]
    if weight.shape[1] * groups != channels:
        fix = "Correct the sizes of the model: no runtime runs it."
        raise refused(step, f"its weight takes {weight.shape[1] * groups} channels where its input has {channels}", fix)
    window = window_of(step, attribute_ints(step.node, "kernel_shape") or weight.shape[2:])
    tensor, padding = padded_input(emitter, step, window, "zero")
    options = {
        "Padding": padding,
        "StrideH": window.strides[0],
        "StrideW": window.strides[1],
        "DilationHFactor": window.dilations[0],
        "DilationWFactor": window.dilations[1],
        "FusedActivationFunction": fused(step),
    }
    bias = emitter.weight(f"{step.name}_bias", *bias_codes(step, weight.shape[0], grid), 0)
    if groups == channels and groups > 1:
        # OIHW with I = 1 -> 1HWO; ONNX and TFLite order the outputs of a channel alike
        stored_weight = emitter.layer_weight(step, weight[:, 0].transpose(1, 2, 0)[None], grid, 3)
        options["DepthMultiplier"] = weight.shape[0] // channels
        code, table, packed = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", 6  # LiteRT's reference kernels have no version 7
    else:
        stored_weight = emitter.layer_weight(step, weight.transpose(0, 2, 3, 1), grid, 0)
        code, table, packed = "CONV_2D", "Conv2DOptions", 7
    emitter.op(code, [tensor, stored_weight, bias], [emitter.output(step)], table, options, emitter.layer_version(stored_weight, 3, packed))


def run(machine: Machine, step: IntegerOp) -> None:
    x, _ = centred(machine, step, 0)
    weight, grid = weight_of(step)
    groups = attribute_int(step.node, "group", 1)
    window = window_of(step, attribute_ints(step.node, "kernel_shape") or weight.shape[2:])
    views = patches(x, window, 0)
    n, channels, height, width = views.shape[:4]
    rows = views.reshape(n, groups, channels // groups, height, width, -1).transpose(1, 0, 3, 4, 2, 5)
    rows = rows.reshape(groups, n * height * width, -1).astype(np.float64)
    table = weight.reshape(groups, len(weight) // groups, -1).astype(np.float64)
    # products of 8-bit codes in float64: exact up to 2^53
    sums = np.einsum("grk,gok->gor", rows, table, optimize=True).reshape(len(weight), n, height, width).transpose(1, 0, 2, 3)
    finish_layer(machine, step, sums, grid, 1)
