"""Resize on codes: RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import truncated
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_in, grid_out, refused, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_shape
from edgeq.numerics.arrays import I64
from edgeq.numerics.nearest_pixels import nearest_pixels, tflite_pixels

#: ONNX's coordinate mode -> TFLite's flags: align corners, half-pixel centers
_FLAGS = {"half_pixel": (False, True), "pytorch_half_pixel": (False, True), "align_corners": (True, False), "asymmetric": (False, False)}


def _mode(step: IntegerOp) -> str:
    return step.node.attributes.get_string("mode", "nearest")


def _coordinates(step: IntegerOp) -> str:
    return step.node.attributes.get_string("coordinate_transformation_mode", "half_pixel")


def emit(emitter: Emitter, step: IntegerOp) -> None:
    source, mode, where = codes(step, 0), _mode(step), _coordinates(step)
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    _check(step, shape, wanted)
    align, half = _nearest_flags(step, shape[2:], wanted[2:]) if mode == "nearest" else _FLAGS[where]
    tensor = emitter.tensor(source, step)
    tensor = emitter.requantized(tensor, tflite_shape(shape), grid_in(step), grid_out(step), f"{step.name}_rescaled")
    code, table = ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
    if mode == "linear":
        code, table = ("RESIZE_BILINEAR", "ResizeBilinearOptions")
    inputs, options = [tensor, emitter.ints("size", wanted[2:])], {"AlignCorners": align, "HalfPixelCenters": half}
    emitter.op(code, inputs, [emitter.output(step)], table, options, 3 if half else 2)


def _check(step: IntegerOp, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    mode, where = _mode(step), _coordinates(step)
    if len(shape) != 4 or shape[:2] != wanted[:2]:
        raise refused(step, "it resizes axes other than height and width")
    if mode == "cubic" or where not in _FLAGS or (where == "pytorch_half_pixel" and 1 in wanted[2:]):
        raise refused(step, f"mode {mode} with {where} coordinates")
    if mode == "linear" and attribute_int(step.node, "antialias", 0) and any(b < a for a, b in zip(shape, wanted, strict=True)):
        raise refused(step, "it filters what it makes smaller (antialias)")
    ratios = [_scale(step, axis) * shape[axis] / wanted[axis] for axis in (2, 3)]
    if mode == "linear" and where != "align_corners" and any(abs(ratio - 1) > 1e-5 for ratio in ratios):
        raise refused(step, "its scales are not the ratios of its sizes, of which TFLite computes them")


def _scale(step: IntegerOp, axis: int) -> float:
    """The scale of an axis: as given, else the ratio of the sizes."""
    given = step.inputs[2] if len(step.inputs) > 2 else None
    if given is not None and given.data is not None and given.data.size > axis:
        return float(given.data.reshape(-1)[axis])
    return shape_of(step.outputs[0], step)[axis] / shape_of(codes(step, 0), step)[axis]


def run(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    moved = machine.regridded(step, x, scale)
    _check(step, shape_of(codes(step, 0), step), shape_of(step.outputs[0], step))
    wanted = shape_of(step.outputs[0], step)[2:]
    if _mode(step) == "nearest":
        rows, columns = (_onnx_pixels(step, axis, size, out) for axis, size, out in zip((2, 3), x.shape[2:], wanted, strict=True))
        machine.finish(step, moved[:, :, rows][:, :, :, columns])
        return
    (y0, y1, fy), (x0, x1, fx) = (_between(step, size, out) for size, out in zip(x.shape[2:], wanted, strict=True))
    zero = int(grid_out(step).zero_point)
    plain = moved + zero  # TFLite interpolates the codes themselves
    fy, fx = fy[:, None], fx[None, :]
    total = sum(plain[:, :, a][:, :, :, b] * wy * wx for a, wy in ((y0, 1024 - fy), (y1, fy)) for b, wx in ((x0, 1024 - fx), (x1, fx)))
    total = np.asarray(total, np.int64)
    if machine.requantization == "float":
        machine.finish(step, machine.rounded(total / (1 << 20) - zero))
        return
    machine.finish(step, truncated(total + np.where(total > 0, 1 << 19, -(1 << 19)), 1 << 20) - zero)


def _between(step: IntegerOp, size: int, wanted: int) -> tuple[I64, I64, I64]:
    """Lower and upper pixel for each output position, and the upper one's weight in 1/1024.

    Source: tensorflow/lite/kernels/internal/reference/resize_bilinear.h.
    """
    where = _coordinates(step)
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


def _nearest_flags(step: IntegerOp, sizes: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[bool, bool]:
    """Flags (align corners, half-pixel centers) with which TFLite selects the same pixels as ONNX.

    Raises UnsupportedOp where no flags do: ONNX has rounding modes that TFLite lacks.
    """
    for align, half in ((False, False), (False, True), (True, False)):
        ends = zip((2, 3), sizes, wanted, strict=True)
        if all(_onnx_pixels(step, axis, a, b) == tflite_pixels(align, half, a, b) for axis, a, b in ends):
            return align, half
    rounding = step.node.attributes.get_string("nearest_mode", "round_prefer_floor")
    raise refused(step, f"nearest pixels chosen by {_coordinates(step)} and {rounding} are not among those that TFLite supports")


def _onnx_pixels(step: IntegerOp, axis: int, size: int, wanted: int) -> list[int]:
    """The rows or columns that ONNX's Resize of mode nearest selects."""
    rounding = step.node.attributes.get_string("nearest_mode", "round_prefer_floor")
    return nearest_pixels(_coordinates(step), rounding, size, wanted, _scale(step, axis))
