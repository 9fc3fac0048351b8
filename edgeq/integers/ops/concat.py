"""Concat on codes: CONCATENATION of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_in, grid_out, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_axis, tflite_shape


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
