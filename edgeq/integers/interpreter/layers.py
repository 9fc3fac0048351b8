"""Layers with weights: sums of products in int32, one real factor a channel."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.arithmetic import Machine, along, centred, out_scale
from edgeq.integers.tflite.layers import weight_of
from edgeq.integers.tflite.windows import Window, window_of
from edgeq.numerics.arrays import F64, I64
from edgeq.numerics.grid import QuantParams


def conv(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    weight, grid = weight_of(step)
    groups = attribute_int(step.node, "group", 1)
    window = window_of(step, attribute_ints(step.node, "kernel_shape") or weight.shape[2:])
    patches = windows(x, window, 0)  # [N, C, OH, OW, KH, KW]
    n, channels, height, width = patches.shape[:4]
    rows = patches.reshape(n, groups, channels // groups, height, width, -1).transpose(1, 0, 3, 4, 2, 5)
    rows = rows.reshape(groups, n * height * width, -1).astype(np.float64)
    table = weight.reshape(groups, len(weight) // groups, -1).astype(np.float64)
    # products of 8-bit codes in float64: exact up to 2^53
    sums = np.einsum("grk,gok->gor", rows, table, optimize=True).reshape(len(weight), n, height, width).transpose(1, 0, 2, 3)
    _finish(machine, step, sums, scale, grid, 1)


def windows(x: I64, window: Window, fill: int) -> I64:
    """[N, C, H, W] -> [N, C, OH, OW, KH, KW], padded with `fill`."""
    pads = [(0, 0), (0, 0), (window.begins[0], window.ends[0]), (window.begins[1], window.ends[1])]
    padded = np.pad(x, pads, constant_values=fill)
    reach = [(size - 1) * gap + 1 for size, gap in zip(window.kernel, window.dilations, strict=True)]
    views = sliding_window_view(padded, reach, axis=(2, 3))
    rows, columns = window.strides
    return np.asarray(views[:, :, ::rows, ::columns, :: window.dilations[0], :: window.dilations[1]])


def transpose_conv(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    weight, grid = weight_of(step)
    strides = attribute_ints(step.node, "strides") or (1, 1)
    begins = (attribute_ints(step.node, "pads") or (0, 0, 0, 0))[:2]
    wanted = step.outputs[0].shape
    assert wanted is not None
    kernel = weight.shape[2:]
    whole = [max((size - 1) * by + k, b + w) for size, by, k, b, w in zip(x.shape[2:], strides, kernel, begins, wanted[2:], strict=True)]
    sums = np.zeros((len(x), weight.shape[1], *whole))
    products = np.einsum("ncij,cohw->nohwij", x.astype(np.float64), weight.astype(np.float64), optimize=True)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            ends = [start + (size - 1) * by + 1 for start, size, by in zip((row, column), x.shape[2:], strides, strict=True)]
            sums[:, :, row : ends[0] : strides[0], column : ends[1] : strides[1]] += products[:, :, row, column]
    cut = sums[:, :, begins[0] : begins[0] + wanted[2], begins[1] : begins[1] + wanted[3]]
    _finish(machine, step, cut, scale, grid, 1)


def gemm(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    weight, grid = weight_of(step)
    rows = weight.T if step.op_type == "Gemm" and attribute_int(step.node, "transB", 0) else weight
    _finish(machine, step, x.astype(np.float64) @ rows.astype(np.float64), scale, grid, -1)


def _finish(machine: Machine, step: IntegerOp, sums: F64, scale: float, grid: QuantParams, axis: int) -> None:
    bias = step.inputs[2] if len(step.inputs) > 2 else None
    if bias is not None and bias.data is not None:
        sums = sums + along(axis, sums.ndim, bias.data.astype(np.float64).reshape(-1))
    factor = np.atleast_1d(scale * grid.scale.astype(np.float64) / out_scale(step))
    machine.finish(step, machine.rescaled(machine.checked(step, sums), along(axis, sums.ndim, factor)))
