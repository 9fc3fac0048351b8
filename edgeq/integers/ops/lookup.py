"""Lookup: a function of one code as a table of 256 codes, from which TFLite gathers."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import grid_out, shape_of
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_shape


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit CAST, ADD and GATHER: both runtimes gather by int32 alone, and from 0 upwards."""
    source, table = step.inputs
    assert source is not None and table is not None and table.data is not None
    shape = tflite_shape(shape_of(source, step))
    # the table follows the byte of the input code: int8 codes from 0 to 127, then from -128 to -1
    ordered = signed_codes(table.data) if source.dtype == "uint8" else np.roll(signed_codes(table.data), 128)
    whole, index = emitter.indices(f"{step.name}_code", shape), emitter.indices(f"{step.name}_index", shape)
    emitter.op("CAST", [emitter.tensor(source, step)], [whole], "CastOptions", {"InDataType": 9, "OutDataType": 2})
    emitter.op("ADD", [whole, emitter.ints("lift", [128])], [index], "AddOptions", {"FusedActivationFunction": 0})
    stored = emitter.weight(f"{step.name}_table", ordered, grid_out(step), 0)
    emitter.op("GATHER", [stored, index], [emitter.output(step)], "GatherOptions", {"Axis": 0}, 2)


def run(machine: Machine, step: IntegerOp) -> None:
    source, table = step.inputs
    assert source is not None and table is not None and table.data is not None
    index = machine.value(source) if source.dtype == "int8" else machine.value(source) + 128
    machine.values[step.outputs[0].name] = signed_codes(table.data).astype(np.int64)[index]
