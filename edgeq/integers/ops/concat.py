"""Concat, Tile and Expand on codes: CONCATENATION and BROADCAST_TO of TFLite.

TFLite Micro has no TILE: copies are put side by side.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_in, grid_out, same_grid, shape_of
from edgeq.integers.ops.binary import operand_tensor
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order, tflite_axis, tflite_shape


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit the operator; inputs on another grid than the output's pass through a QUANTIZE."""
    grid, inputs = grid_out(step), []
    for number in range(len(step.inputs)):
        source = codes(step, number)
        tensor, shape = emitter.tensor(source, step), tflite_shape(shape_of(source, step))
        inputs.append(emitter.requantized(tensor, shape, grid_in(step, number), grid, f"{source.name}_rescaled"))
    rank = len(shape_of(step.outputs[0], step))
    options = {"Axis": tflite_axis(attribute_int(step.node, "axis", 0), rank), "FusedActivationFunction": 0}
    emitter.op("CONCATENATION", inputs, [emitter.output(step)], "ConcatenationOptions", options, 2)


def run(machine: Machine, step: IntegerOp) -> None:
    parts = [machine.regridded(step, *centred(machine, step, number)) for number in range(len(step.inputs))]
    machine.finish(step, np.concatenate(parts, attribute_int(step.node, "axis", 0)))


def emit_tile(emitter: Emitter, step: IntegerOp) -> None:
    same_grid(step)
    source = codes(step, 0)
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    tensor, layout = emitter.tensor(source, step), order(len(shape))
    moves = [place for place, axis in enumerate(layout) if shape[axis] != wanted[axis]]
    if not moves:
        emitter.reshaped(tensor, emitter.output(step))
    sizes = list(tflite_shape(shape))
    for place in moves:
        sizes[place] = tflite_shape(wanted)[place]
        times = sizes[place] // tflite_shape(shape)[place]
        target = emitter.output(step) if place == moves[-1] else emitter.scratch(f"{step.name}_copies", sizes, source.grid)
        emitter.op("CONCATENATION", [tensor] * times, [target], "ConcatenationOptions", {"Axis": place, "FusedActivationFunction": 0}, 2)
        tensor = target


def run_tile(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    source = codes(step, 0)
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    machine.store(step, np.tile(machine.value(source), [b // a for a, b in zip(shape, wanted, strict=True)]))


def emit_expand(emitter: Emitter, step: IntegerOp) -> None:
    same_grid(step)
    source, wanted = codes(step, 0), shape_of(step.outputs[0], step)
    tensor = operand_tensor(emitter, step, source, len(wanted))
    if emitter.tensors[tensor].shape == tflite_shape(wanted):
        emitter.reshaped(tensor, emitter.output(step))
    else:
        sizes = emitter.ints("sizes", tflite_shape(wanted))
        emitter.op("BROADCAST_TO", [tensor, sizes], [emitter.output(step)], "BroadcastToOptions", version=2)


def run_expand(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    x, wanted = machine.value(codes(step, 0)), shape_of(step.outputs[0], step)
    batched = len(x) != 1 and x.ndim == len(wanted)
    machine.store(step, np.broadcast_to(x, (len(x), *wanted[1:]) if batched else wanted))
