"""The larger or smaller of several codes: MAXIMUM, MINIMUM, REDUCE_MAX and REDUCE_MIN of TFLite."""

from __future__ import annotations

from functools import reduce

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, aligned, centred
from edgeq.integers.operands import codes, grid_in, grid_out, reduced_axes, same_grid, shape_of
from edgeq.integers.ops.binary import operand_tensor
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_axis

#: operators that give the largest; the others give the smallest
_LARGEST = ("Max", "ReduceMax", "GlobalMaxPool")


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit MAXIMUM or MINIMUM, one for each operand behind the first.

    They work on the output's grid; operands on another one pass through a QUANTIZE.
    """
    grid, wanted = grid_out(step), shape_of(step.outputs[0], step)
    tensors = []
    for number in range(len(step.inputs)):
        source = codes(step, number)
        tensor = operand_tensor(emitter, step, source, len(wanted))
        tensors.append(emitter.requantized(tensor, emitter.tensors[tensor].shape, grid_in(step, number), grid, f"{source.name}_rescaled"))
    if len(tensors) == 1:
        emitter.reshaped(tensors[0], emitter.output(step))
    for number, tensor in enumerate(tensors[1:], start=1):
        if number == len(tensors) - 1:
            target = emitter.output(step)
        else:
            shapes = [emitter.tensors[index].shape for index in (tensors[0], tensor)]
            target = emitter.scratch(f"{step.name}_of_{number + 1}", np.broadcast_shapes(*shapes), grid)
        code = "MAXIMUM" if step.op_type in _LARGEST else "MINIMUM"
        emitter.op(code, [tensors[0], tensor], [target], "MaximumMinimumOptions", version=2)
        tensors[0] = target


def run(machine: Machine, step: IntegerOp) -> None:
    parts = aligned([machine.regridded(step, *centred(machine, step, number)) for number in range(len(step.inputs))])
    machine.finish(step, np.asarray(reduce(np.maximum if step.op_type in _LARGEST else np.minimum, parts)))


def emit_reduced(emitter: Emitter, step: IntegerOp) -> None:
    same_grid(step)
    source = codes(step, 0)
    shape = shape_of(source, step)
    axes, _ = reduced_axes(step, len(shape))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    target = emitter.kept_output(step, kept)
    places = emitter.ints("axes", sorted(tflite_axis(axis, len(shape)) for axis in axes))
    code = "REDUCE_MAX" if step.op_type in _LARGEST else "REDUCE_MIN"
    emitter.op(code, [emitter.tensor(source, step), places], [target], "ReducerOptions", {"KeepDims": True}, 2)
    emitter.dropped(step, target, kept)


def run_reduced(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    x = machine.value(codes(step, 0))
    axes, keep = reduced_axes(step, x.ndim)
    machine.store(step, (np.max if step.op_type in _LARGEST else np.min)(x, axis=axes, keepdims=keep))
