"""Concat: CONCATENATION."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_in, grid_out, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.fused import fused
from edgeq.integers.tflite.layout import place, stored
from edgeq.numerics.grid import LIMITS


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Inputs on other grids than the output's go through a QUANTIZE."""
    grid, inputs = grid_out(step), []
    for number in range(len(step.inputs)):
        source = codes(step, number)
        tensor, shape = emitter.tensor(source, step), stored(shape_of(source, step))
        inputs.append(emitter.requantized(tensor, shape, grid_in(step, number), grid, f"{source.name}_rescaled"))
    rank = len(shape_of(step.outputs[0], step))
    options = {"Axis": place(attribute_int(step.node, "axis", 0), rank), "FusedActivationFunction": fused(step)}
    emitter.op("CONCATENATION", inputs, [emitter.output(step)], "ConcatenationOptions", options, 2)


def run(machine: Machine, step: IntegerOp) -> None:
    zero, parts = int(grid_out(step).zero_point), []
    for number in range(len(step.inputs)):
        x, scale = centred(machine, step, number)
        parts.append(np.clip(machine.regridded(step, x, scale) + zero, *LIMITS["int8"]))
    machine.values[step.outputs[0].name] = np.concatenate(parts, attribute_int(step.node, "axis", 0))
