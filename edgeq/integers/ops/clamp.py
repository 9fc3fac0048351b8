"""Relu and Clip as operators of their own: RELU where possible, else MAXIMUM and MINIMUM.

They work on floats between a DequantizeLinear and a QuantizeLinear, or on codes.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import clip_bounds
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, centred
from edgeq.integers.operands import codes, grid_in, grid_out, refused, shape_of
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_shape
from edgeq.numerics.grid import LIMITS, QuantParams


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit the clamp, after a QUANTIZE where the output grid differs from the input grid."""
    source, grid = codes(step, 0), grid_out(step)
    shape = tflite_shape(shape_of(step.outputs[0], step))
    bounds = _bounds(step, grid)
    tensor = emitter.requantized(emitter.tensor(source, step), shape, grid_in(step), grid, f"{step.name}_requantized")
    emit_cut(emitter, step, tensor, bounds)


def emit_cut(emitter: Emitter, step: IntegerOp, tensor: int, bounds: tuple[int, int], final: int | None = None) -> None:
    """Clamp a tensor on the grid of the step's output to these codes.

    final: the tensor of the result; None: that of the step's output.
    """
    final = emitter.output(step) if final is None else final
    grid, (low, high) = grid_out(step), bounds
    shape = emitter.tensors[tensor].shape
    least, most = LIMITS[grid.dtype]
    if (low, high) == (int(grid.zero_point), most):
        emitter.op("RELU", [tensor], [final], version=2)
        return
    cuts = [("MAXIMUM", low)] if low > least else []
    cuts += [("MINIMUM", high)] if high < most else []
    if not cuts:
        emitter.reshaped(tensor, final)
    for number, (code, bound) in enumerate(cuts):
        target = final if number == len(cuts) - 1 else emitter.scratch(f"{step.name}_cut", shape, grid)
        limit = emitter.weight(f"{step.name}_bound", np.full((1,) * max(len(shape), 1), bound, grid.dtype), grid, 0)
        emitter.op(code, [tensor, limit], [target], "MaximumMinimumOptions", version=2)
        tensor = target


def run(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    grid = grid_out(step)
    low, high = _bounds(step, grid)
    machine.values[step.outputs[0].name] = np.clip(machine.regridded(step, x, scale) + int(grid.zero_point), low, high)


def _bounds(step: IntegerOp, grid: QuantParams) -> tuple[int, int]:
    """The bounds as codes; the step holds them as floats or as codes."""
    limits = list(LIMITS[grid.dtype])
    if any(o is not None and o.data is not None and o.data.dtype.kind in "iu" for o in step.inputs[1:]):
        for number, operand in enumerate(step.inputs[1:3]):
            if operand is not None and operand.data is not None:
                limits[number] = int(signed_codes(operand.data).item())
        return limits[0], limits[1]
    bounds = clip_bounds(step.node)
    if bounds is None:
        raise refused(step, "its bounds are not constant, or in the wrong order")
    for number, bound in enumerate(bounds):
        if np.isfinite(bound):
            limits[number] = int(np.clip(np.rint(bound / float(grid.scale)) + int(grid.zero_point), *LIMITS[grid.dtype]))
    return limits[0], limits[1]
