"""LeakyRelu and PRelu on codes: LEAKY_RELU and PRELU of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_float
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_out, refused, shape_of
from edgeq.integers.signed import signed, signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order
from edgeq.numerics.arrays import I64


def _alpha(step: IntegerOp) -> float:
    return attribute_float(step.node, "alpha", 0.01)


def emit_leaky_relu(emitter: Emitter, step: IntegerOp) -> None:
    grid_out(step)
    source, options = emitter.tensor(codes(step, 0), step), {"Alpha": _alpha(step)}
    emitter.op("LEAKY_RELU", [source], [emitter.output(step)], "LeakyReluOptions", options, 2)


def run_leaky_relu(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    ratio = scale / out_scale(step)
    machine.finish(step, np.where(x >= 0, machine.rescaled(x, ratio), _scaled_by(machine, x, _alpha(step) * ratio)))


def _scaled_by(machine: Machine, x: I64, factor: float) -> I64:
    return machine.rescaled(x, factor) if factor >= 0 else -machine.rescaled(x, -factor)


def emit_prelu(emitter: Emitter, step: IntegerOp) -> None:
    grid_out(step)
    source, slope = codes(step, 0), codes(step, 1)
    if slope.data is None or slope.grid is None:
        raise refused(step, "its slope is not constant")
    rank = len(shape_of(source, step))
    full = signed_codes(slope.data).reshape((1,) * (rank - slope.data.ndim) + slope.data.shape)
    slopes = np.ascontiguousarray(full.transpose(order(rank))[0])
    stored_slope = emitter.weight(f"{step.name}_slope", slopes, signed(slope.grid), 0)
    emitter.op("PRELU", [emitter.tensor(source, step), stored_slope], [emitter.output(step)])


def run_prelu(machine: Machine, step: IntegerOp) -> None:
    (x, scale), (slope, slopes) = centred(machine, step, 0), centred(machine, step, 1)
    ratio = scale / out_scale(step)
    machine.finish(step, np.where(x >= 0, machine.rescaled(x, ratio), machine.rescaled(x * slope, slopes * ratio)))
