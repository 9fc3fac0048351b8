"""ADD, SUB, MUL, CONCATENATION, pools, MEAN, RESIZE: operators on several codes."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.tflite.activations import fused
from edgeq.integers.tflite.emitter import Emitter, codes, made, refused, shape_of, signed, signed_codes
from edgeq.integers.tflite.layout import permuted, place, stored
from edgeq.integers.tflite.windows import VALID, explicitly_padded, is_same, padded_input, window_of
from edgeq.numerics.grid import QuantParams

_BINARY = {"Add": ("ADD", "AddOptions"), "Sub": ("SUB", "SubOptions"), "Mul": ("MUL", "MulOptions")}


def binary(e: Emitter, step: IntegerOp) -> None:
    code, table = _BINARY[step.op_type]
    rank = len(shape_of(step.outputs[0], step))
    inputs = [_operand(e, step, codes(step, number), rank) for number in (0, 1)]
    e.op(code, inputs, [e.output(step)], table, {"FusedActivationFunction": fused(step)}, 2)


def _operand(e: Emitter, step: IntegerOp, operand: Operand, rank: int) -> int:
    """The tensor of an operand, with leading axes of size 1 where the other one has more."""
    shape = shape_of(operand, step)
    if len(shape) == rank:
        return e.tensor(operand, step)
    full = (1,) * (rank - len(shape)) + shape
    if operand.data is not None and operand.grid is not None:
        return e.weight(operand.name, permuted(signed_codes(operand.data).reshape(full)), signed(operand.grid), 0)
    plain = e.plain(operand, step)
    wider = e.scratch(f"{operand.name}_wider", full, operand.grid)
    e.reshaped(plain, wider)
    if rank != 4:
        return wider
    target = e.scratch(f"{operand.name}_image", stored(full), operand.grid)
    e.transposed(wider, (0, 2, 3, 1), target)
    return target


def concat(e: Emitter, step: IntegerOp) -> None:
    grid, inputs = made(step), []
    for number, operand in enumerate(step.inputs):
        source = codes(step, number)
        assert source.grid is not None and operand is not None
        shape = stored(shape_of(source, step))
        inputs.append(e.requantized(e.tensor(source, step), shape, source.grid, grid, f"{source.name}_rescaled"))
    rank = len(shape_of(step.outputs[0], step))
    options = {"Axis": place(attribute_int(step.node, "axis", 0), rank), "FusedActivationFunction": fused(step)}
    e.op("CONCATENATION", inputs, [e.output(step)], "ConcatenationOptions", options, 2)


def pool(e: Emitter, step: IntegerOp) -> None:
    """The kernel copies or averages codes: at the grid of its input, with a QUANTIZE behind it
    where the output has another.
    """
    largest = step.op_type == "MaxPool"
    source, node = codes(step, 0), step.node
    assert source.grid is not None
    window = window_of(step, attribute_ints(node, "kernel_shape") or ())
    if window.dilations != (1, 1):
        raise refused(step, "TFLite's pools have no dilations")
    sizes = shape_of(source, step)[2:]
    counted = bool(attribute_int(node, "count_include_pad", 0))
    if not largest and window.padded and not counted and not is_same(window, sizes):
        raise refused(step, "its padding is neither counted nor TFLite's SAME")
    if counted and window.padded:  # SAME would not count it
        tensor, padding = explicitly_padded(e, step, window, source.grid, "zero"), VALID
    else:
        tensor, padding = padded_input(e, step, window, source.grid, "lowest")
    _pooled(e, step, tensor, padding, window.kernel, window.strides)


def _pooled(e: Emitter, step: IntegerOp, tensor: int, padding: int, kernel: tuple[int, int], strides: tuple[int, int]) -> None:
    source, grid = codes(step, 0), made(step)
    assert source.grid is not None
    direct = signed(source.grid) == signed(grid)
    shape = stored(shape_of(step.outputs[0], step))
    target = e.output(step) if direct else e.scratch(f"{step.name}_pooled", shape, source.grid)
    options = {
        "Padding": padding,
        "FilterHeight": kernel[0],
        "FilterWidth": kernel[1],
        "StrideH": strides[0],
        "StrideW": strides[1],
        "FusedActivationFunction": fused(step) if direct else 0,
    }
    e.op("MAX_POOL_2D" if step.op_type != "AveragePool" else "AVERAGE_POOL_2D", [tensor], [target], "Pool2DOptions", options, 2)
    if not direct:
        e.op("QUANTIZE", [target], [e.output(step)], "QuantizeOptions", version=2)


def strided(e: Emitter, step: IntegerOp, strides: tuple[int, int]) -> None:
    """Every n-th row and column: MAX_POOL_2D with windows of one element, which NPUs have where
    they lack strides of slices.
    """
    _pooled(e, step, e.tensor(codes(step, 0), step), VALID, (1, 1), strides)


def mean(e: Emitter, step: IntegerOp) -> None:
    """GlobalAveragePool, or ReduceMean over given axes."""
    made(step)
    source, node = codes(step, 0), step.node
    rank = len(shape_of(source, step))
    axes = mean_axes(step, rank)
    keep = step.op_type == "GlobalAveragePool" or bool(attribute_int(node, "keepdims", 1))
    if not keep and rank == 4 and {axis % rank for axis in axes} != {2, 3}:
        raise refused(step, "it drops axes of an image other than height and width")
    places = e.ints("axes", sorted(place(axis, rank) for axis in axes))
    e.op("MEAN", [e.tensor(source, step), places], [e.output(step)], "ReducerOptions", {"KeepDims": keep}, 2)


def mean_axes(step: IntegerOp, rank: int) -> tuple[int, ...]:
    """The ONNX axes that a mean is taken over."""
    axes = tuple(range(2, rank)) if step.op_type == "GlobalAveragePool" else attribute_ints(step.node, "axes")
    if axes is None:
        operand = step.inputs[1] if len(step.inputs) > 1 else None
        if operand is None or operand.data is None:
            raise refused(step, "its axes are not constant")
        axes = tuple(int(axis) for axis in operand.data.reshape(-1))
    return tuple(sorted(axis % rank for axis in axes))


def nearest_pixels(step: IntegerOp, sizes: tuple[int, ...], wanted: tuple[int, ...]) -> list[list[int]]:
    """The rows and the columns that a Resize of mode nearest takes."""
    where = step.node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    rounding = step.node.attributes.get_string("nearest_mode", "round_prefer_floor")
    return [_onnx_pixels(where, rounding, a, b) for a, b in zip(sizes, wanted, strict=True)]


def resize(e: Emitter, step: IntegerOp) -> None:
    source, grid, node = codes(step, 0), made(step), step.node
    assert source.grid is not None
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    if len(shape) != 4 or shape[:2] != wanted[:2]:
        raise refused(step, "it resizes other axes than height and width")
    mode = node.attributes.get_string("mode", "nearest")
    where = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    ways = {"half_pixel": (False, True), "pytorch_half_pixel": (False, True), "align_corners": (True, False), "asymmetric": (False, False)}
    if mode == "cubic" or where not in ways or (where == "pytorch_half_pixel" and 1 in wanted[2:]):
        raise refused(step, f"mode {mode} with {where} coordinates")
    align, half = _nearest(step, where, shape[2:], wanted[2:]) if mode == "nearest" else ways[where]
    tensor = e.requantized(e.tensor(source, step), stored(shape), source.grid, grid, f"{step.name}_rescaled")
    code, table = (
        ("RESIZE_BILINEAR", "ResizeBilinearOptions") if mode == "linear" else ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
    )
    e.op(
        code,
        [tensor, e.ints("size", wanted[2:])],
        [e.output(step)],
        table,
        {"AlignCorners": align, "HalfPixelCenters": half},
        3 if half else 2,
    )


def _nearest(step: IntegerOp, where: str, sizes: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[bool, bool]:
    """Flags (align corners, half pixels) under which TFLite takes the same pixels as ONNX; ONNX
    rounds in ways that TFLite does not.
    """
    rounding = step.node.attributes.get_string("nearest_mode", "round_prefer_floor")
    for align, half in ((False, False), (False, True), (True, False)):
        if all(_onnx_pixels(where, rounding, a, b) == _tflite_pixels(align, half, a, b) for a, b in zip(sizes, wanted, strict=True)):
            return align, half
    raise refused(step, f"nearest pixels chosen by {where} and {rounding} are none that TFLite chooses")


def _onnx_pixels(where: str, rounding: str, size: int, wanted: int) -> list[int]:
    at = np.arange(wanted, dtype=np.float64)
    if where == "align_corners":
        x = at * (size - 1) / max(wanted - 1, 1)
    else:
        x = (at + 0.5) * size / wanted - 0.5 if "half_pixel" in where else at * size / wanted
    ways = {"floor": np.floor(x), "ceil": np.ceil(x), "round_prefer_ceil": np.floor(x + 0.5)}
    return [int(pixel) for pixel in np.clip(ways.get(rounding, np.ceil(x - 0.5)), 0, size - 1)]


def _tflite_pixels(align: bool, half: bool, size: int, wanted: int) -> list[int]:
    """tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h, GetNearestNeighbor."""
    at = np.arange(wanted, dtype=np.float32)
    scale = np.float32((size - 1) / (wanted - 1)) if align and wanted > 1 else np.float32(size / wanted)
    x = (at + np.float32(0.5 if half else 0.0)) * scale
    return [int(pixel) for pixel in np.clip(np.floor(x + np.float32(0.5)) if align else np.floor(x), 0, size - 1)]


def requantize(e: Emitter, step: IntegerOp) -> None:
    source: QuantParams | None = codes(step, 0).grid
    assert source is not None
    if signed(source) == signed(made(step)) and source.dtype != made(step).dtype:
        e.index[step.outputs[0].name] = e.tensor(codes(step, 0), step)  # uint8 of the ONNX model is int8 here already
    elif signed(source) == signed(made(step)):
        e.reshaped(e.tensor(codes(step, 0), step), e.output(step))
    else:
        e.op("QUANTIZE", [e.tensor(codes(step, 0), step)], [e.output(step)], "QuantizeOptions", version=2)
