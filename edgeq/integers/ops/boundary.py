"""Conversions between floats and codes, and between two grids: QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

import numpy as np

from edgeq.errors import UnsupportedOp
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_in, grid_out
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.flatbuffer import TfTensor
from edgeq.numerics.grid import LIMITS


def emit_quantize(emitter: Emitter, step: IntegerOp) -> None:
    """Quantize a float input of the model. Raises UnsupportedOp for any other float value."""
    source = step.inputs[0]
    assert source is not None
    if source.name not in emitter.index:
        what = f"Value {source.name} is float inside the model; TFLite's int8 models have no float operators."
        raise UnsupportedOp(what, f"node {step.name}", "Quantize for target mcu_tflite, without nodes kept float.")
    emitter.op("QUANTIZE", [emitter.index[source.name]], [emitter.output(step)], "QuantizeOptions")


def run_quantize(machine: Machine, step: IntegerOp) -> None:
    """Copy the codes: the interpreter has quantized the model's float inputs already."""
    source = step.inputs[0]
    assert source is not None
    machine.values[step.outputs[0].name] = np.clip(machine.values[source.name], *LIMITS[grid_out(step).dtype])


def emit_dequantize(emitter: Emitter, step: IntegerOp) -> None:
    """Dequantize codes to a float output of the model."""
    source = step.inputs[0]
    assert source is not None
    final = emitter.add(TfTensor(step.outputs[0].name, emitter.tensors[emitter.tensor(source, step)].shape, "float32"))
    emitter.index[step.outputs[0].name] = final
    emitter.op("DEQUANTIZE", [emitter.tensor(source, step)], [final], "DequantizeOptions", version=2)


def run_dequantize(machine: Machine, step: IntegerOp) -> None:
    """Copy the codes: the interpreter returns the codes of a float output."""
    machine.values[step.outputs[0].name] = machine.value(codes(step, 0))


def emit_requantize(emitter: Emitter, step: IntegerOp) -> None:
    """Convert codes from one grid to another."""
    source, same = codes(step, 0), grid_in(step) == grid_out(step)
    before, behind = source.grid, step.outputs[0].grid
    assert before is not None and behind is not None
    if same and before.dtype != behind.dtype:
        emitter.index[step.outputs[0].name] = emitter.tensor(source, step)  # the ONNX model's uint8 codes are int8 codes here
    elif same:
        emitter.reshaped(emitter.tensor(source, step), emitter.output(step))
    else:
        emitter.op("QUANTIZE", [emitter.tensor(source, step)], [emitter.output(step)], "QuantizeOptions", version=2)


def run_requantize(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    machine.finish(step, machine.regridded(step, x, scale))
