"""Sigmoid, Tanh and Softmax on codes: operators whose output grid TFLite's specification fixes.

They are LOGISTIC, TANH, SOFTMAX and LOG_SOFTMAX. Of 8 bits the interpreter computes the
exact function, from which TFLite's polynomials and tables differ by at most one code.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter import wide_functions
from edgeq.integers.interpreter.fixed_point import round_away
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_in, grid_out, refused, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import inverse, tflite_axis, tflite_shape
from edgeq.numerics.arrays import F64, I64
from edgeq.numerics.grid import QuantParams

#: operator -> scale and zero point of its output
_FIXED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0), "LOG_SOFTMAX": (1 / 16, 127)}
#: those that exist for inputs of 16 bits, whose output has scale 1/32768 and zero point 0
_WIDE = ("LOGISTIC", "SOFTMAX", "TANH")


def emit_sigmoid(emitter: Emitter, step: IntegerOp) -> None:
    _emit(emitter, step, "LOGISTIC")


def run_sigmoid(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    if _looked_up(machine, step):
        _regridded(machine, step, wide_functions.sigmoid(x, scale))
        return
    _finish(machine, step, 1 / (1 + np.exp(-x * scale)))


def emit_tanh(emitter: Emitter, step: IntegerOp) -> None:
    _emit(emitter, step, "TANH")


def run_tanh(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    if _looked_up(machine, step):
        _regridded(machine, step, wide_functions.tanh(x, scale))
        return
    _finish(machine, step, np.tanh(x * scale))


def emit_softmax(emitter: Emitter, step: IntegerOp) -> None:
    _emit_along(emitter, step, "SOFTMAX", "SoftmaxOptions", {"Beta": 1.0})


def emit_log_softmax(emitter: Emitter, step: IntegerOp) -> None:
    _emit_along(emitter, step, "LOG_SOFTMAX", "LogSoftmaxOptions", {})


def _emit_along(emitter: Emitter, step: IntegerOp, code: str, table: str, options: dict[str, float]) -> None:
    """Emit an operator that works along the last axis; another one becomes the last and back."""
    source = codes(step, 0)
    rank = len(shape_of(source, step))
    axis = tflite_axis(attribute_int(step.node, "axis", -1), rank)
    if axis == rank - 1:
        _emit(emitter, step, code, table, options)
        return
    order = [place for place in range(rank) if place != axis] + [axis]
    shape = tflite_shape(shape_of(source, step))
    last = [shape[place] for place in order]
    moved = emitter.scratch(f"{step.name}_moved", last, source.grid)
    emitter.transposed(emitter.tensor(source, step), order, moved)
    made, direct = emitter.scratch(f"{step.name}_last", last, _grid(step, code)), grid_out(step) == _grid(step, code)
    emitter.op(code, [moved], [made], table, options, 2)
    back = emitter.output(step) if direct else emitter.scratch(f"{step.name}_back", shape, _grid(step, code))
    emitter.transposed(made, inverse(order), back)
    if not direct:
        emitter.op("QUANTIZE", [back], [emitter.output(step)], "QuantizeOptions", version=2)


def run_softmax(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    axis = attribute_int(step.node, "axis", -1)
    if _looked_up(machine, step):
        _regridded(machine, step, wide_functions.softmax(x, scale, axis))
        return
    powers = np.exp((x - x.max(axis, keepdims=True)) * scale)
    _finish(machine, step, powers / powers.sum(axis, keepdims=True))


def run_log_softmax(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    axis = attribute_int(step.node, "axis", -1)
    below = (x - x.max(axis, keepdims=True)) * scale
    _finish(machine, step, below - np.log(np.exp(below).sum(axis, keepdims=True)))


def _emit(emitter: Emitter, step: IntegerOp, code: str, table: str | None = None, options: dict[str, float] | None = None) -> None:
    """Emit the operator on its own grid, and a QUANTIZE where the model has another output grid."""
    grid = _grid(step, code)
    source, direct = codes(step, 0), grid_out(step) == grid
    shape = tflite_shape(shape_of(step.outputs[0], step))
    target = emitter.output(step) if direct else emitter.scratch(f"{step.name}_fixed", shape, grid)
    emitter.op(code, [emitter.tensor(source, step)], [target], table, options or {}, 2)
    if not direct:
        emitter.op("QUANTIZE", [target], [emitter.output(step)], "QuantizeOptions", version=2)


def _grid(step: IntegerOp, code: str) -> QuantParams:
    """The output grid of the operator, of the type of its input."""
    if grid_in(step).dtype == "int16":
        if code not in _WIDE:
            raise refused(step, f"TFLite has no {code} of 16 bits")
        return QuantParams("int16", np.asarray(1 / 32768, np.float32), np.asarray(0, np.int32))
    scale, zero = _FIXED[code]
    return QuantParams("int8", np.asarray(scale, np.float32), np.asarray(zero, np.int32))


def _looked_up(machine: Machine, step: IntegerOp) -> bool:
    """Whether the kernel looks the function up in tables, which the interpreter follows."""
    return machine.requantization == "fixed_point" and grid_in(step).dtype == "int16"


def _regridded(machine: Machine, step: IntegerOp, codes: I64) -> None:
    machine.finish(step, machine.regridded(step, codes, 1 / 32768))


def _finish(machine: Machine, step: IntegerOp, real: F64) -> None:
    codes = np.asarray(real / out_scale(step))
    machine.finish(step, machine.rounded(codes) if machine.requantization == "float" else round_away(codes).astype(np.int64))
