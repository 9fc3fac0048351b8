"""MaxPool and AveragePool on codes: MAX_POOL_2D and AVERAGE_POOL_2D of TFLite.

Both work on the grid of their input.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import truncated
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.interpreter.patches import patches
from edgeq.integers.operands import codes, grid_in, grid_out, refused, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.fused import fused
from edgeq.integers.tflite.layout import tflite_shape
from edgeq.integers.tflite.padding import VALID, explicitly_padded, padded_input
from edgeq.integers.windows import ImageWindow, is_same, window_of
from edgeq.numerics.arrays import I64


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit the pool, and a QUANTIZE where the output grid differs from the input grid.

    Raises UnsupportedOp for dilations, and for averages whose padding is neither counted nor SAME.
    """
    largest, node = step.op_type == "MaxPool", step.node
    window = window_of(step, attribute_ints(node, "kernel_shape") or ())
    if window.dilations != (1, 1):
        raise refused(step, "TFLite's pools have no dilations")
    sizes = shape_of(codes(step, 0), step)[2:]
    counted = bool(attribute_int(node, "count_include_pad", 0))
    if not largest and window.padded and not counted and not is_same(window, sizes):
        raise refused(step, "its padding is neither counted nor TFLite's SAME")
    if counted and window.padded:  # SAME would leave the padding out of the count
        tensor, padding = explicitly_padded(emitter, step, window, "zero"), VALID
    else:
        tensor, padding = padded_input(emitter, step, window, "lowest")
    emit_pooled(emitter, step, tensor, padding, window.kernel, window.strides)


def emit_pooled(emitter: Emitter, step: IntegerOp, tensor: int, padding: int, kernel: tuple[int, int], strides: tuple[int, int]) -> None:
    """Emit the pool of a tensor whose padding is resolved, and the QUANTIZE behind it if needed."""
    source, grid = grid_in(step), grid_out(step)
    direct = source == grid
    if not direct and fused(step):
        raise refused(step, "a Relu or Clip and another grid follow it")
    shape = tflite_shape(shape_of(step.outputs[0], step))
    target = emitter.output(step) if direct else emitter.scratch(f"{step.name}_pooled", shape, source)
    options = {
        "Padding": padding,
        "FilterHeight": kernel[0],
        "FilterWidth": kernel[1],
        "StrideH": strides[0],
        "StrideW": strides[1],
        "FusedActivationFunction": fused(step),
    }
    code = "AVERAGE_POOL_2D" if step.op_type == "AveragePool" else "MAX_POOL_2D"
    emitter.op(code, [tensor], [target], "Pool2DOptions", options, 2)
    if not direct:
        emitter.op("QUANTIZE", [target], [emitter.output(step)], "QuantizeOptions", version=2)


def run(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    window = window_of(step, attribute_ints(step.node, "kernel_shape") or ())
    if step.op_type == "MaxPool":
        pooled = patches(x, window, -(1 << 20)).max((-2, -1))
    else:
        counted = bool(attribute_int(step.node, "count_include_pad", 0))
        if machine.requantization == "float":
            sums, counts = patches(x, window, 0).sum((-2, -1)), _counts(x, window, counted)
            machine.finish(step, machine.rounded(sums / counts * (scale / out_scale(step))))
            return
        # TFLite averages the codes themselves: the rounding of a half depends on their sign
        zero = int(grid_in(step).zero_point)
        pooled = _averages(patches(x, window, 0).sum((-2, -1)), _counts(x, window, counted), zero)
    machine.finish(step, machine.regridded(step, pooled, scale))


def _averages(sums: I64, counts: I64, zero: int) -> I64:
    """Rounded averages of codes, halves away from zero, minus the zero point.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h.
    """
    whole = sums + zero * counts
    return truncated(whole + np.where(whole > 0, counts // 2, -(counts // 2)), counts) - zero


def _counts(x: I64, window: ImageWindow, counted: bool) -> I64:
    ones = np.ones((1, 1, *x.shape[2:]), np.int64)
    return np.asarray(patches(ones, window, int(counted)).sum((-2, -1)))
