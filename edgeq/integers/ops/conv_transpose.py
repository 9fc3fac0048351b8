"""ConvTranspose on codes: TRANSPOSE_CONV of TFLite."""

from __future__ import annotations

from dataclasses import dataclass

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
    #: size of the whole result, before anything is cut off
    whole: tuple[int, ...]
    #: size of the output
    wanted: tuple[int, ...]
    #: whether TFLite's SAME cuts off exactly the same
    same: bool


def _window(step: IntegerOp, weight: AnyArray) -> _Window:
    node = step.node
    if attribute_int(node, "group", 1) != 1 or any(d != 1 for d in attribute_ints(node, "dilations") or ()) or weight.ndim != 4:
        raise refused(step, "it has groups, dilations or a number of spatial axes other than two")
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        raise refused(step, "its padding is not explicit (auto_pad)")
    strides = attribute_ints(node, "strides") or (1, 1)
    begins = (attribute_ints(node, "pads") or (0, 0, 0, 0))[:2]
    sizes, wanted = shape_of(codes(step, 0), step)[2:], shape_of(step.outputs[0], step)[2:]
    whole = tuple((size - 1) * stride + kernel for size, stride, kernel in zip(sizes, strides, weight.shape[2:], strict=True))
    totals = [same_total(out, kernel, stride) for out, kernel, stride in zip(wanted, weight.shape[2:], strides, strict=True)]
    same = all(out == size * stride for out, size, stride in zip(wanted, sizes, strides, strict=True))
    same = same and all(begin == total // 2 for begin, total in zip(begins, totals, strict=True))
    return _Window(strides, begins, whole, wanted, same)


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit TRANSPOSE_CONV, and a STRIDED_SLICE where the padding differs from TFLite's SAME.

    The STRIDED_SLICE cuts the output out of the whole result.
    """
    source, (weight, grid) = codes(step, 0), weight_of(step)
    window = _window(step, weight)
    beyond = any(begin + out > full for begin, out, full in zip(window.begins, window.wanted, window.whole, strict=True))
    if not window.same and beyond:
        raise refused(step, "its output padding reaches beyond the windows")
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
    weight, grid = weight_of(step)
    window, kernel = _window(step, weight), weight.shape[2:]
    whole = [max(full, begin + out) for full, begin, out in zip(window.whole, window.begins, window.wanted, strict=True)]
    sums = np.zeros((len(x), weight.shape[1], *whole))
    products = np.einsum("ncij,cohw->nohwij", x.astype(np.float64), weight.astype(np.float64), optimize=True)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            pairs = zip((row, column), x.shape[2:], window.strides, strict=True)
            ends = [start + (size - 1) * by + 1 for start, size, by in pairs]
            sums[:, :, row : ends[0] : window.strides[0], column : ends[1] : window.strides[1]] += products[:, :, row, column]
    (top, left), (height, width) = window.begins, window.wanted
    finish_layer(machine, step, sums[:, :, top : top + height, left : left + width], grid, 1)
