"""Sigmoid, Tanh and Softmax on codes: operators whose output grid TFLite's specification fixes.

They are LOGISTIC, TANH, SOFTMAX and LOG_SOFTMAX. The interpreter computes the exact function;
TFLite's polynomials and tables differ from it by at most one code.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import round_away
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_out, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import inverse, tflite_axis, tflite_shape
from edgeq.numerics.arrays import F64
from edgeq.numerics.grid import QuantParams

#: operator -> scale and zero point of its output
_FIXED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0), "LOG_SOFTMAX": (1 / 16, 127)}


def emit_sigmoid(emitter: Emitter, step: IntegerOp) -> None:
    _emit(emitter, step, "LOGISTIC")


def run_sigmoid(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    _finish(machine, step, 1 / (1 + np.exp(-x * scale)))


def emit_tanh(emitter: Emitter, step: IntegerOp) -> None:
    _emit(emitter, step, "TANH")


def run_tanh(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
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
    made, direct = emitter.scratch(f"{step.name}_last", last, _grid(code)), grid_out(step) == _grid(code)
    emitter.op(code, [moved], [made], table, options, 2)
    back = emitter.output(step) if direct else emitter.scratch(f"{step.name}_back", shape, _grid(code))
    emitter.transposed(made, inverse(order), back)
    if not direct:
        emitter.op("QUANTIZE", [back], [emitter.output(step)], "QuantizeOptions", version=2)


def run_softmax(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    axis = attribute_int(step.node, "axis", -1)
    powers = np.exp((x - x.max(axis, keepdims=True)) * scale)
    _finish(machine, step, powers / powers.sum(axis, keepdims=True))


def run_log_softmax(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    axis = attribute_int(step.node, "axis", -1)
    below = (x - x.max(axis, keepdims=True)) * scale
    _finish(machine, step, below - np.log(np.exp(below).sum(axis, keepdims=True)))


def _emit(emitter: Emitter, step: IntegerOp, code: str, table: str | None = None, options: dict[str, float] | None = None) -> None:
    """Emit the operator on its own grid, and a QUANTIZE where the model has another output grid."""
    grid = _grid(code)
    source, direct = codes(step, 0), grid_out(step) == grid
    shape = tflite_shape(shape_of(step.outputs[0], step))
    target = emitter.output(step) if direct else emitter.scratch(f"{step.name}_fixed", shape, grid)
    emitter.op(code, [emitter.tensor(source, step)], [target], table, options or {}, 2)
    if not direct:
        emitter.op("QUANTIZE", [target], [emitter.output(step)], "QuantizeOptions", version=2)


def _grid(code: str) -> QuantParams:
    scale, zero = _FIXED[code]
    return QuantParams("int8", np.asarray(scale, np.float32), np.asarray(zero, np.int32))


def _finish(machine: Machine, step: IntegerOp, real: F64) -> None:
    codes = np.asarray(real / out_scale(step))
    machine.finish(step, machine.rounded(codes) if machine.requantization == "float" else round_away(codes).astype(np.int64))
