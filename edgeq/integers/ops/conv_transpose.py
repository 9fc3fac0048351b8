"""ConvTranspose on codes: TRANSPOSE_CONV of TFLite."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.layer import finish_layer
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_out, refused, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_shape
from edgeq.integers.tflite.padding import SAME, VALID
from edgeq.integers.weights import bias_codes, weight_of
from edgeq.integers.windows import same_total
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import PerChannel, QuantParams


@dataclass(frozen=True)
class _Window:
    """How the windows are laid out; every field is (height, width)."""

    strides: tuple[int, ...]
    #: rows and columns that are cut off at the beginning of the whole result
    begins: tuple[int, ...]
    #: size of the whole result with its output padding, before anything is cut off
    whole: tuple[int, ...]
    #: size of the output
    wanted: tuple[int, ...]
    #: whether TFLite's SAME cuts off exactly the same
    same: bool


def _window(step: IntegerOp, kernel: tuple[int, ...]) -> _Window:
    """The window of a kernel whose dilations are written out.

    Where ONNX is given the size of the output, it pads more at the beginning, but for SAME_UPPER.
    """
    node, sizes, wanted = step.node, shape_of(codes(step, 0), step)[2:], shape_of(step.outputs[0], step)[2:]
    if len(kernel) != 2:
        raise refused(step, "it has a number of spatial axes other than two")
    strides = attribute_ints(node, "strides") or (1, 1)
    begins = (attribute_ints(node, "pads") or (0, 0, 0, 0))[:2]
    further = attribute_ints(node, "output_padding") or (0, 0)
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    whole = tuple((size - 1) * by + reach + more for size, by, reach, more in zip(sizes, strides, kernel, further, strict=True))
    if attribute_ints(node, "output_shape") or mode.startswith("SAME"):
        totals = [max(full - out, 0) for full, out in zip(whole, wanted, strict=True)]
        begins = tuple(total // 2 if mode == "SAME_UPPER" else total - total // 2 for total in totals)
    elif mode == "VALID":
        begins = (0, 0)
    if any(begin + out > full for begin, out, full in zip(begins, wanted, whole, strict=True)):
        raise refused(step, "its output reaches beyond the windows")
    totals = [same_total(out, reach, by) for out, reach, by in zip(wanted, kernel, strides, strict=True)]
    same = all(out == size * by for out, size, by in zip(wanted, sizes, strides, strict=True))
    same = same and all(begin == total // 2 for begin, total in zip(begins, totals, strict=True))
    return _Window(strides, begins, whole, wanted, same)


def _dense(step: IntegerOp) -> tuple[AnyArray, QuantParams]:
    """The weight [inputs, outputs, height, width] without groups and dilations, and its grid.

    TRANSPOSE_CONV has neither: groups become blocks between zeros, dilations zeros between rows
    and columns. The products are the same.
    """
    weight, grid = weight_of(step)
    groups, dilations = attribute_int(step.node, "group", 1), attribute_ints(step.node, "dilations") or (1,) * (weight.ndim - 2)
    if any(by != 1 for by in dilations):
        kernel = [(size - 1) * by + 1 for size, by in zip(weight.shape[2:], dilations, strict=True)]
        spread = np.zeros((*weight.shape[:2], *kernel), weight.dtype)
        spread[(slice(None), slice(None), *(slice(None, None, by) for by in dilations))] = weight
        weight = spread
    if groups > 1:
        inputs, outputs = weight.shape[0] // groups, weight.shape[1]
        blocks = np.zeros((weight.shape[0], groups * outputs, *weight.shape[2:]), weight.dtype)
        for group in range(groups):
            rows = slice(group * inputs, (group + 1) * inputs)
            blocks[rows, group * outputs : (group + 1) * outputs] = weight[rows]
        weight = blocks
        if grid.scale.ndim:  # one scale serves the same output of every group
            grid = replace(grid, scale=np.tile(grid.scale, groups), zero_point=np.tile(grid.zero_point, groups))
    return weight, grid


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit TRANSPOSE_CONV, and a STRIDED_SLICE where the padding differs from TFLite's SAME.

    The STRIDED_SLICE cuts the output out of the whole result.
    """
    source, (weight, grid) = codes(step, 0), _dense(step)
    window = _window(step, weight.shape[2:])
    wanted = shape_of(step.outputs[0], step)
    per_channel = QuantParams(grid.dtype, grid.scale, grid.zero_point, PerChannel(0)) if grid.scale.ndim else grid
    stored_weight = emitter.weight(f"{step.name}_weight", np.ascontiguousarray(weight.transpose(1, 2, 3, 0)), per_channel, 0)
    bias = emitter.weight(f"{step.name}_bias", *bias_codes(step, weight.shape[1], grid), 0)
    shape = tflite_shape(wanted) if window.same else (wanted[0], *window.whole, wanted[1])
    crop = not window.same and shape != tflite_shape(wanted)
    target = emitter.scratch(f"{step.outputs[0].name}_whole", shape, grid_out(step)) if crop else emitter.output(step)
    inputs = [emitter.ints("output_shape", shape), stored_weight, emitter.tensor(source, step), bias]
    options = {"Padding": SAME if window.same else VALID, "StrideH": window.strides[0], "StrideW": window.strides[1]}
    emitter.op("TRANSPOSE_CONV", inputs, [target], "TransposeConvOptions", options, 3)
    if crop:
        start = [0, *window.begins, 0]
        ends = [a + b for a, b in zip(start, tflite_shape(wanted), strict=True)]
        bounds = [emitter.ints("begin", start), emitter.ints("end", ends), emitter.ints("strides", [1] * 4)]
        emitter.op("STRIDED_SLICE", [target, *bounds], [emitter.output(step)], "StridedSliceOptions", version=2)


def run(machine: Machine, step: IntegerOp) -> None:
    x, _ = centred(machine, step, 0)
    weight, grid = _dense(step)
    kernel = weight.shape[2:]
    window = _window(step, kernel)
    sums = np.zeros((len(x), weight.shape[1], *window.whole))
    products = np.einsum("ncij,cohw->nohwij", x.astype(np.float64), weight.astype(np.float64), optimize=True)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            pairs = zip((row, column), x.shape[2:], window.strides, strict=True)
            ends = [start + (size - 1) * by + 1 for start, size, by in pairs]
            sums[:, :, row : ends[0] : window.strides[0], column : ends[1] : window.strides[1]] += products[:, :, row, column]
    (top, left), (height, width) = window.begins, window.wanted
    finish_layer(machine, step, sums[:, :, top : top + height, left : left + width], grid, 1)
