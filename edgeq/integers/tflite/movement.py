"""Operators that move codes: RESHAPE, TRANSPOSE, PAD, STRIDED_SLICE, SPLIT; across the two
layouts.
"""

from __future__ import annotations

import math

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.tflite.arithmetic import strided
from edgeq.integers.tflite.emitter import Emitter, codes, made, refused, shape_of, signed, signed_codes
from edgeq.integers.tflite.layout import inverse, keeps_order, order, place, stored


def reshape(e: Emitter, step: IntegerOp) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze. An image that becomes rows for Gemm alone stays in
    TFLite's order: the weights follow it.
    """
    source = codes(step, 0)
    _same_grid(step)
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    if len(shape) == 4 and len(wanted) == 2 and not keeps_order(stored(shape), inverse(order(4))) and _only_gemms(e, step, shape, wanted):
        e.flattened[step.outputs[0].name] = (shape[1], shape[2], shape[3])
        e.reshaped(e.tensor(source, step), e.output(step))
        return
    tensor = e.tensor(source, step) if _in_order(shape) else e.plain(source, step)
    final = e.output(step)
    if _in_order(wanted):
        e.reshaped(tensor, final)
        return
    target, final = e.plain_output(step)
    e.reshaped(tensor, target)
    e.transposed(target, order(len(wanted)), final)


def _in_order(shape: tuple[int, ...]) -> bool:
    """Whether both layouts store this shape alike."""
    return keeps_order(shape, order(len(shape)))


def _only_gemms(e: Emitter, step: IntegerOp, shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    readers = e.readers.get(step.outputs[0].name, ())
    rows = wanted == (shape[0], math.prod(shape[1:]))
    return rows and bool(readers) and all(reader.op_type == "Gemm" for reader in readers)


def transpose(e: Emitter, step: IntegerOp) -> None:
    source = codes(step, 0)
    _same_grid(step)
    rank = len(shape_of(source, step))
    permutation = attribute_ints(step.node, "perm") or tuple(reversed(range(rank)))
    layout = order(rank)
    e.transposed(e.tensor(source, step), [layout.index(permutation[axis]) for axis in layout], e.output(step))


def pad(e: Emitter, step: IntegerOp) -> None:
    source, node = codes(step, 0), step.node
    _same_grid(step)
    assert source.grid is not None
    amounts = step.inputs[1].data if len(step.inputs) > 1 and step.inputs[1] is not None else None
    mode = node.attributes.get_string("mode", "constant")
    if amounts is None or (len(step.inputs) > 3 and step.inputs[3] is not None):
        raise refused(step, "its amounts are not constants for every axis")
    whole = amounts.astype(np.int64)
    if np.any(whole < 0):
        raise refused(step, "it crops")
    rank = len(shape_of(source, step))
    pairs = whole.reshape(2, rank).T[list(order(rank))]
    inputs = [e.tensor(source, step), e.ints("pads", pairs)]
    if mode == "reflect":
        e.op("MIRROR_PAD", inputs, [e.output(step)], "MirrorPadOptions", {"Mode": 0}, 2)
        return
    if mode != "constant":
        raise refused(step, f"mode {mode}")
    grid = signed(source.grid)
    code = fill_code(step)
    if code == int(grid.zero_point):
        e.op("PAD", inputs, [e.output(step)], "PadOptions", version=2)
    else:
        e.op("PADV2", [*inputs, e.weight("fill", np.array([code], np.int8), grid, 0)], [e.output(step)], "PadV2Options", version=2)


def fill_code(step: IntegerOp) -> int:
    """The int8 code that a Pad fills with, whether it holds a float or a code already."""
    grid = signed(made(step))
    fill = step.inputs[2].data if len(step.inputs) > 2 and step.inputs[2] is not None else None
    if fill is None:
        return int(grid.zero_point)
    if fill.dtype.kind in "iu":
        return int(signed_codes(fill).item())
    return int(np.clip(np.rint(float(fill.item()) / float(grid.scale)) + int(grid.zero_point), -128, 127))


def slice_(e: Emitter, step: IntegerOp) -> None:
    source = codes(step, 0)
    _same_grid(step)
    shape = shape_of(source, step)
    begin, end, strides = slice_bounds(step, shape)
    spatial = len(shape) == 4 and (strides[2] > 1 or strides[3] > 1) and strides[:2] == [1, 1]
    if spatial and begin == [0] * 4 and all(-(-stop // by) == -(-size // by) for stop, by, size in zip(end, strides, shape, strict=True)):
        strided(e, step, (strides[2], strides[3]))
        return
    layout = order(len(shape))
    tensors = [e.ints(word, [numbers[axis] for axis in layout]) for word, numbers in (("begin", begin), ("end", end), ("strides", strides))]
    e.op("STRIDED_SLICE", [e.tensor(source, step), *tensors], [e.output(step)], "StridedSliceOptions", version=2)


def slice_bounds(step: IntegerOp, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """Begin, end and stride of every ONNX axis, ends cut to the size."""
    given = [None if operand is None else operand.data for operand in step.inputs[1:]]
    if len(given) < 2 or any(array is None for array, operand in zip(given, step.inputs[1:], strict=True) if operand is not None):
        raise refused(step, "its bounds are not constant")
    starts, stops = ([int(v) for v in array.reshape(-1)] for array in given[:2] if array is not None)
    axes = range(len(starts)) if len(given) < 3 or given[2] is None else [int(v) for v in given[2].reshape(-1)]
    steps = [1] * len(starts) if len(given) < 4 or given[3] is None else [int(v) for v in given[3].reshape(-1)]
    begin, end, strides = [0] * len(shape), list(shape), [1] * len(shape)
    for start, stop, axis, by in zip(starts, stops, axes, steps, strict=True):
        if by < 1:
            raise refused(step, "it walks backwards")
        size = shape[axis]
        begin[axis] = min(max(start + size if start < 0 else start, 0), size)
        end[axis] = min(max(stop + size if stop < 0 else stop, 0), size)
        strides[axis] = by
    return begin, end, strides


def split(e: Emitter, step: IntegerOp) -> None:
    source = codes(step, 0)
    _same_grid(step)
    shape = shape_of(source, step)
    axis = attribute_int(step.node, "axis", 0) % len(shape)
    sizes = [shape_of(operand, step)[axis] for operand in step.outputs]
    if sum(sizes) != shape[axis]:
        raise refused(step, "one of its outputs is read by nothing")
    outputs = [e.output(step, number) for number in range(len(step.outputs))]
    where = place(axis, len(shape))
    if len(set(sizes)) == 1:
        e.op("SPLIT", [e.ints("axis", np.array(where)), e.tensor(source, step)], outputs, "SplitOptions", {"NumSplits": len(outputs)}, 2)
    else:
        inputs = [e.tensor(source, step), e.ints("sizes", sizes), e.ints("axis", np.array(where))]
        e.op("SPLIT_V", inputs, outputs, "SplitVOptions", {"NumSplits": len(outputs)}, 2)


def _same_grid(step: IntegerOp) -> None:
    grid = codes(step, 0).grid
    assert grid is not None
    if any(signed(made(step, number)) != signed(grid) for number in range(len(step.outputs))):
        raise refused(step, "it moves codes, but its output has another grid than its input")
