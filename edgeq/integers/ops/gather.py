"""Gather, ArgMax and ArgMin: codes by indices, and indices of codes.

Indices are int64 in ONNX and int32 in TFLite, which both runtimes take; they keep ONNX's layout.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, grid_in, grid_out, refused, same_grid, shape_of
from edgeq.integers.ops.parts import slice_bounds
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order, tflite_axis
from edgeq.numerics.arrays import I64, AnyArray
from edgeq.numerics.grid import dequantize, quantize


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit GATHER from a constant table by computed indices, or from codes by constant ones."""
    data, index = _operands(step)
    axis = attribute_int(step.node, "axis", 0)
    if data.data is not None:
        if index.data is not None or not index.is_index:
            raise refused(step, "its indices are not whole numbers that are computed of an input")
        target, final = emitter.plain_output(step)
        table = emitter.weight(f"{step.name}_table", _table(step, data.data), grid_out(step), 0)
        emitter.op("GATHER", [table, emitter.tensor(index, step)], [target], "GatherOptions", {"Axis": axis % data.data.ndim}, 2)
        if target != final:
            emitter.transposed(target, order(4), final)
        return
    if index.data is None:
        raise refused(step, "neither its table nor its indices are constant")
    same_grid(step)
    shape = shape_of(data, step)
    rank, axis = len(shape), axis % len(shape)
    chosen = _indices(index.data, shape[axis])
    if chosen.ndim == 1 or chosen.size == 1:
        kept = (*shape[:axis], chosen.size, *shape[axis + 1 :])
        target, where = emitter.kept_output(step, kept), tflite_axis(axis, rank)
        _gathered(emitter, emitter.tensor(data, step), chosen.reshape(-1), where, target)
        emitter.dropped(step, target, kept)
        return
    target, final = emitter.plain_output(step)
    _gathered(emitter, emitter.plain(data, step), chosen, axis, target)
    if target != final:
        emitter.transposed(target, order(4), final)


def _gathered(emitter: Emitter, source: int, chosen: I64, axis: int, target: int) -> None:
    emitter.op("GATHER", [source, emitter.ints("chosen", chosen)], [target], "GatherOptions", {"Axis": axis}, 2)


def run(machine: Machine, step: IntegerOp) -> None:
    data, index = _operands(step)
    axis = attribute_int(step.node, "axis", 0)
    if data.data is not None:
        table = _table(step, data.data).astype(np.int64)
        machine.store(step, np.take(table, _indices(_whole(machine, step, index), table.shape[axis]), axis))
        return
    same_grid(step)
    x = machine.value(data)
    machine.store(step, np.take(x, _indices(_whole(machine, step, index), x.shape[axis]), axis))


def _operands(step: IntegerOp) -> tuple[Operand, Operand]:
    data, index = step.inputs
    if data is None or index is None:
        raise refused(step, "an operand is left out")
    return data, index


def _whole(machine: Machine, step: IntegerOp, index: Operand) -> I64:
    if index.data is None and index.name not in machine.values:
        raise refused(step, "its indices are not whole numbers that are computed of an input")
    return index.data.astype(np.int64) if index.data is not None else machine.values[index.name]


def _indices(array: AnyArray, size: int) -> I64:
    """Indices from 0 upwards: ONNX counts negative ones from the end."""
    whole = array.astype(np.int64)
    return np.asarray(np.where(whole < 0, whole + size, whole), np.int64)


def _table(step: IntegerOp, data: AnyArray) -> AnyArray:
    """The rows of a constant table as int8 codes on the output's grid."""
    grid, source = grid_out(step), step.inputs[0]
    if source is None or source.grid is None:
        return quantize(data.astype(np.float32), grid) if data.dtype.kind == "f" else signed_codes(data)
    if source.grid.scale.ndim == 0 and grid_in(step) == grid:
        return signed_codes(data)
    return quantize(dequantize(data, source.grid), grid)


def emit_arg(emitter: Emitter, step: IntegerOp) -> None:
    """Emit ARG_MAX or ARG_MIN, of the image in ONNX's layout where its axes would be mixed up."""
    axis, shape = _arg_axis(step), shape_of(codes(step, 0), step)
    places = [place for place in order(len(shape)) if place != axis]
    ordered = places == sorted(places)
    tensor = emitter.tensor(codes(step, 0), step) if ordered else emitter.plain(codes(step, 0), step)
    where, final = tflite_axis(axis, len(shape)) if ordered else axis, emitter.output(step)
    dropped = tuple(size for place, size in enumerate(shape) if place != axis)
    keeps = shape_of(step.outputs[0], step) != dropped
    target = emitter.indices(f"{step.outputs[0].name}_dropped", dropped) if keeps else final
    code, table = ("ARG_MAX", "ArgMaxOptions") if step.op_type == "ArgMax" else ("ARG_MIN", "ArgMinOptions")
    emitter.op(code, [tensor, emitter.ints("axis", np.array(where))], [target], table, {"OutputType": 2}, 2)
    if keeps:
        emitter.reshaped(target, final)


def run_arg(machine: Machine, step: IntegerOp) -> None:
    x, axis = machine.value(codes(step, 0)), _arg_axis(step)
    found = (np.argmax if step.op_type == "ArgMax" else np.argmin)(x, axis)
    keep = bool(attribute_int(step.node, "keepdims", 1))
    machine.values[step.outputs[0].name] = np.expand_dims(found, axis) if keep else np.asarray(found)


def _arg_axis(step: IntegerOp) -> int:
    if attribute_int(step.node, "select_last_index", 0):
        raise refused(step, "it selects the last of equal numbers, TFLite the first")
    return attribute_int(step.node, "axis", 0) % len(shape_of(codes(step, 0), step))


def emit_indices(emitter: Emitter, step: IntegerOp) -> None:
    """Emit what selects or reshapes indices: STRIDED_SLICE and RESHAPE."""
    source = step.inputs[0]
    assert source is not None
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    tensor, ends = emitter.tensor(source, step), _part(step, shape)
    part = tuple(b - a for a, b in zip(*ends, strict=True)) if ends else shape
    if ends and part != shape:
        bounds = [emitter.ints(word, numbers) for word, numbers in zip(("begin", "end", "strides"), (*ends, [1] * len(shape)), strict=True)]
        target = emitter.output(step) if part == wanted else emitter.indices(f"{step.name}_part", part)
        emitter.op("STRIDED_SLICE", [tensor, *bounds], [target], "StridedSliceOptions", version=2)
        tensor = target
    if part != wanted or part == shape:
        emitter.reshaped(tensor, emitter.output(step))


def run_indices(machine: Machine, step: IntegerOp) -> None:
    source = step.inputs[0]
    assert source is not None
    x, shape, wanted = machine.values[source.name], shape_of(source, step), shape_of(step.outputs[0], step)
    ends = _part(step, shape)
    if ends:
        parts = [slice(a, b) for a, b in zip(*ends, strict=True)]
        x = x[(slice(None) if parts[0] == slice(0, shape[0]) else parts[0], *parts[1:])]
    machine.values[step.outputs[0].name] = x.reshape((len(x), *wanted[1:]) if wanted[:1] == shape[:1] else wanted)


def _part(step: IntegerOp, shape: tuple[int, ...]) -> tuple[list[int], list[int]] | None:
    """Where the part begins and ends that a Gather or Slice takes of indices; None: all of them."""
    if step.op_type == "Slice":
        begin, end, strides = slice_bounds(step, shape)
        if any(by != 1 for by in strides):
            raise refused(step, "it leaves out indices between others")
        return begin, end
    if step.op_type != "Gather":
        return None
    index, axis = step.inputs[1], attribute_int(step.node, "axis", 0) % len(shape)
    if index is None or index.data is None or index.data.size != 1:
        raise refused(step, "it gathers several indices, or at places that are not constant")
    place = int(_indices(index.data, shape[axis]).item())
    begin, end = [0] * len(shape), list(shape)
    begin[axis], end[axis] = place, place + 1
    return begin, end
