"""Add, Sub and Mul on codes: ADD, SUB and MUL of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.interpreter.fixed_point import multiplier
from edgeq.integers.interpreter.machine import Machine, aligned, centred, out_scale
from edgeq.integers.operands import codes, grid_out, shape_of
from edgeq.integers.signed import signed, signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.fused import fused
from edgeq.integers.tflite.layout import permuted, tflite_shape

_OPTIONS = {"Add": "AddOptions", "Sub": "SubOptions", "Mul": "MulOptions"}
#: bits by which ADD and SUB shift their operands up, by type (tensorflow/lite/kernels/add.cc)
_LIFT = {"int8": 20, "int16": 15}


def emit(emitter: Emitter, step: IntegerOp) -> None:
    rank = len(shape_of(step.outputs[0], step))
    inputs = [operand_tensor(emitter, step, codes(step, number), rank) for number in (0, 1)]
    options: dict[str, int] = {"FusedActivationFunction": fused(step)}
    if grid_out(step).dtype == "int16" and step.op_type != "Mul":
        options["PotScaleInt16"] = False  # scales need not be powers of two
    emitter.op(step.op_type.upper(), inputs, [emitter.output(step)], _OPTIONS[step.op_type], options, 2)


def operand_tensor(emitter: Emitter, step: IntegerOp, operand: Operand, rank: int) -> int:
    """The tensor of an operand, with leading axes of size 1 where the output's rank is higher."""
    shape = shape_of(operand, step)
    if len(shape) == rank:
        return emitter.tensor(operand, step)
    full = (1,) * (rank - len(shape)) + shape
    if operand.data is not None and operand.grid is not None:
        return emitter.weight(operand.name, permuted(signed_codes(operand.data).reshape(full)), signed(operand.grid), 0)
    plain = emitter.plain(operand, step)
    wider = emitter.scratch(f"{operand.name}_wider", full, operand.grid)
    emitter.reshaped(plain, wider)
    if rank != 4:
        return wider
    target = emitter.scratch(f"{operand.name}_image", tflite_shape(full), operand.grid)
    emitter.transposed(wider, (0, 2, 3, 1), target)
    return target


def run(machine: Machine, step: IntegerOp) -> None:
    (a, first), (b, second) = centred(machine, step, 0), centred(machine, step, 1)
    a, b = aligned([a, b])
    if step.op_type == "Mul":
        machine.finish(step, machine.rescaled(a * b, first * second / out_scale(step)))
        return
    sign = -1 if step.op_type == "Sub" else 1
    if machine.requantization == "float":
        total = machine.rounded(np.asarray((a * first + sign * b * second) / out_scale(step)))
    else:
        twice = 2.0 * max(first, second)
        lift = _LIFT[grid_out(step).dtype]
        lifted = [machine.scaled(x << lift, multiplier(scale / twice)) for x, scale in ((a, first), (b, second))]
        total = machine.scaled(lifted[0] + sign * lifted[1], multiplier(twice / ((1 << lift) * out_scale(step))))
    machine.finish(step, total)
