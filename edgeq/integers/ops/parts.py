"""Slice and Split on codes: STRIDED_SLICE, SPLIT and SPLIT_V of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, refused, same_grid, shape_of
from edgeq.integers.ops.pool import emit_pooled
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order, tflite_axis
from edgeq.integers.tflite.padding import VALID


def emit_slice(emitter: Emitter, step: IntegerOp) -> None:
    """Emit STRIDED_SLICE, or MAX_POOL_2D with a 1x1 window for every n-th row and column.

    NPUs support the pool's strides where they do not support a slice's.
    """
    source = codes(step, 0)
    same_grid(step)
    shape = shape_of(source, step)
    begin, end, strides = slice_bounds(step, shape)
    spatial = len(shape) == 4 and (strides[2] > 1 or strides[3] > 1) and strides[:2] == [1, 1]
    if spatial and begin == [0] * 4 and all(-(-stop // by) == -(-size // by) for stop, by, size in zip(end, strides, shape, strict=True)):
        emit_pooled(emitter, step, emitter.tensor(source, step), VALID, (1, 1), (strides[2], strides[3]))
        return
    layout, bounds = order(len(shape)), (("begin", begin), ("end", end), ("strides", strides))
    tensors = [emitter.ints(word, [numbers[axis] for axis in layout]) for word, numbers in bounds]
    emitter.op("STRIDED_SLICE", [emitter.tensor(source, step), *tensors], [emitter.output(step)], "StridedSliceOptions", version=2)


def run_slice(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    x = machine.value(codes(step, 0))
    begin, end, strides = slice_bounds(step, shape_of(codes(step, 0), step))
    parts = [slice(a, b, by) for a, b, by in zip(begin, end, strides, strict=True)]
    machine.store(step, x[(slice(None), *parts[1:])])


def slice_bounds(step: IntegerOp, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """Begin, end and stride for every ONNX axis, with ends cut to the size of the axis.

    Raises UnsupportedOp for bounds that are computed and for negative steps.
    """
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


def emit_split(emitter: Emitter, step: IntegerOp) -> None:
    """Emit SPLIT for equal parts, else SPLIT_V."""
    source, (axis, sizes) = codes(step, 0), _sizes(step)
    outputs = [emitter.output(step, number) for number in range(len(step.outputs))]
    where, options = tflite_axis(axis, len(shape_of(source, step))), {"NumSplits": len(outputs)}
    if len(set(sizes)) == 1:
        emitter.op("SPLIT", [emitter.ints("axis", np.array(where)), emitter.tensor(source, step)], outputs, "SplitOptions", options, 2)
    else:
        inputs = [emitter.tensor(source, step), emitter.ints("sizes", sizes), emitter.ints("axis", np.array(where))]
        emitter.op("SPLIT_V", inputs, outputs, "SplitVOptions", options, 2)


def run_split(machine: Machine, step: IntegerOp) -> None:
    axis, sizes = _sizes(step)
    for number, part in enumerate(np.split(machine.value(codes(step, 0)), np.cumsum(sizes)[:-1], axis)):
        machine.store(step, part, number)


def _sizes(step: IntegerOp) -> tuple[int, list[int]]:
    """The axis, and the size of each output along it."""
    same_grid(step)
    shape = shape_of(codes(step, 0), step)
    axis = attribute_int(step.node, "axis", 0) % len(shape)
    sizes = [shape_of(operand, step)[axis] for operand in step.outputs]
    if sum(sizes) != shape[axis]:
        raise refused(step, "one of its outputs is read by nothing")
    return axis, sizes
