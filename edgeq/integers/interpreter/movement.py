"""Operators that copy, choose or average codes."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.arithmetic import Machine, centred, out_scale
from edgeq.integers.interpreter.fixed_point import Multiplier, multiplier, scaled, truncated
from edgeq.integers.interpreter.layers import windows
from edgeq.integers.tflite.arithmetic import mean_axes, nearest_pixels
from edgeq.integers.tflite.emitter import codes, made, refused, shape_of, signed
from edgeq.integers.tflite.movement import fill_code, slice_bounds
from edgeq.integers.tflite.windows import Window, window_of
from edgeq.numerics.arrays import I64
from edgeq.numerics.grid import LIMITS


def concat(machine: Machine, step: IntegerOp) -> None:
    grid, parts = signed(made(step)), []
    for number in range(len(step.inputs)):
        x, scale = centred(machine, step, number)
        moved = x if scale == float(grid.scale) else machine.rescaled(x, scale / float(grid.scale))
        parts.append(np.clip(moved + int(grid.zero_point), *LIMITS["int8"]))
    machine.values[step.outputs[0].name] = np.concatenate(parts, attribute_int(step.node, "axis", 0))


def pool(machine: Machine, step: IntegerOp) -> None:
    """At the grid of the input; then to that of the output."""
    x, scale = centred(machine, step, 0)
    window = window_of(step, attribute_ints(step.node, "kernel_shape") or ())
    if step.op_type == "MaxPool":
        pooled = windows(x, window, -(1 << 20)).max((-2, -1))
    else:
        counted = bool(attribute_int(step.node, "count_include_pad", 0))
        pooled = _averages(windows(x, window, 0).sum((-2, -1)), _counts(x, window, counted), codes_offset(step))
    moved = pooled if scale == out_scale(step) else machine.rescaled(pooled, scale / out_scale(step))
    machine.finish(step, moved)


def codes_offset(step: IntegerOp) -> int:
    """The zero point of the input: averages are taken of the codes, and the rounding of a half
    depends on their sign.
    """
    grid = codes(step, 0).grid
    assert grid is not None
    return int(signed(grid).zero_point)


def _averages(sums: I64, counts: I64, zero: int) -> I64:
    """tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h: halves away from zero."""
    whole = sums + zero * counts
    return truncated(whole + np.where(whole > 0, counts // 2, -(counts // 2)), counts) - zero


def _counts(x: I64, window: Window, counted: bool) -> I64:
    ones = np.ones((1, 1, *x.shape[2:]), np.int64)
    return np.asarray(windows(ones, window, int(counted)).sum((-2, -1)))


def mean(machine: Machine, step: IntegerOp) -> None:
    """tensorflow/lite/kernels/internal/reference/reduce.h, QuantizedMeanOrSum: 1/n joins the
    multiplier.
    """
    x, scale = centred(machine, step, 0)
    axes = mean_axes(step, x.ndim)
    keep = step.op_type == "GlobalAveragePool" or bool(attribute_int(step.node, "keepdims", 1))
    sums = machine.checked(step, x.sum(axes, keepdims=keep))
    number, factor = int(np.prod([x.shape[axis] for axis in axes])), scale / out_scale(step)
    if machine.requantization == "float":
        machine.finish(step, np.rint(sums * (factor / number)).astype(np.int64))
        return
    by = multiplier(factor)
    shift = min(number.bit_length() - 1, 32, 31 + int(by.exponent))
    mantissa = (int(by.mantissa) << shift) // number
    machine.finish(step, scaled(sums, Multiplier(np.asarray(mantissa), by.exponent - shift)))


def resize(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    moved = x if scale == out_scale(step) else machine.rescaled(x, scale / out_scale(step))
    wanted = shape_of(step.outputs[0], step)[2:]
    if step.node.attributes.get_string("mode", "nearest") == "nearest":
        rows, columns = nearest_pixels(step, x.shape[2:], wanted)
        machine.finish(step, moved[:, :, rows][:, :, :, columns])
        return
    (y0, y1, fy), (x0, x1, fx) = (_between(step, size, out) for size, out in zip(x.shape[2:], wanted, strict=True))
    zero = int(signed(made(step)).zero_point)
    plain = moved + zero  # TFLite interpolates the codes themselves
    fy, fx = fy[:, None], fx[None, :]
    total = sum(plain[:, :, a][:, :, :, b] * wy * wx for a, wy in ((y0, 1024 - fy), (y1, fy)) for b, wx in ((x0, 1024 - fx), (x1, fx)))
    total = np.asarray(total, np.int64)
    machine.finish(step, truncated(total + np.where(total > 0, 1 << 19, -(1 << 19)), 1 << 20) - zero)


def _between(step: IntegerOp, size: int, wanted: int) -> tuple[I64, I64, I64]:
    """tensorflow/lite/kernels/internal/reference/resize_bilinear.h: positions in 1/1024; lower and
    upper pixel, weight of the upper.
    """
    where = step.node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if where == "align_corners" and wanted > 1:
        by = (1024 * (size - 1) + (wanted - 1) // 2) // (wanted - 1)
    else:
        by = (1024 * size + wanted // 2) // wanted
    at = np.arange(wanted, dtype=np.int64) * by
    if "half_pixel" in where:
        at = at + by // 2 - 512
    lower = np.maximum(truncated(at, 1024), 0)
    upper = np.minimum(truncated(at + 1023, 1024), size - 1)
    return lower, upper, np.clip(at - 1024 * lower, 0, 1024) * (upper > lower)


def reshape(machine: Machine, step: IntegerOp) -> None:
    x = machine.value(codes(step, 0))
    wanted, source = shape_of(step.outputs[0], step), shape_of(codes(step, 0), step)
    if wanted[:1] != source[:1] and len(x) != 1:
        raise refused(step, "it mixes samples")
    machine.values[step.outputs[0].name] = x.reshape((len(x), *wanted[1:]) if wanted[:1] == source[:1] else wanted)


def transpose(machine: Machine, step: IntegerOp) -> None:
    x = machine.value(codes(step, 0))
    machine.values[step.outputs[0].name] = x.transpose(attribute_ints(step.node, "perm") or tuple(reversed(range(x.ndim))))


def pad(machine: Machine, step: IntegerOp) -> None:
    x, amounts = machine.value(codes(step, 0)), step.inputs[1]
    if amounts is None or amounts.data is None:
        raise refused(step, "its amounts are not constant")
    pairs = amounts.data.astype(np.int64).reshape(2, x.ndim).T
    if step.node.attributes.get_string("mode", "constant") == "reflect":
        machine.values[step.outputs[0].name] = np.pad(x, pairs, mode="reflect")
    else:
        machine.values[step.outputs[0].name] = np.pad(x, pairs, constant_values=fill_code(step))


def slice_(machine: Machine, step: IntegerOp) -> None:
    x = machine.value(codes(step, 0))
    begin, end, strides = slice_bounds(step, shape_of(codes(step, 0), step))
    parts = [slice(a, b, by) for a, b, by in zip(begin, end, strides, strict=True)]
    machine.values[step.outputs[0].name] = x[(slice(None), *parts[1:])]


def split(machine: Machine, step: IntegerOp) -> None:
    x, axis = machine.value(codes(step, 0)), attribute_int(step.node, "axis", 0)
    sizes = [shape_of(operand, step)[axis] for operand in step.outputs]
    for operand, part in zip(step.outputs, np.split(x, np.cumsum(sizes)[:-1], axis), strict=True):
        machine.values[operand.name] = part
