"""Functions of one number, and those of two: HARD_SWISH, LEAKY_RELU, PRELU, LOGISTIC, TANH,
SOFTMAX, tables; ADD, SUB, MUL.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_float, attribute_int
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.arithmetic import Machine, aligned, centred, out_scale
from edgeq.integers.interpreter.fixed_point import (
    doubling_high,
    factor_parts,
    multiplier,
    round_away,
    rounding_shift,
    saturating_left,
    scaled,
    to_16_bits,
    truncated,
)
from edgeq.integers.tflite.activations import bounds_in_codes
from edgeq.integers.tflite.emitter import codes, made, signed, signed_codes
from edgeq.numerics.arrays import F64, I64
from edgeq.numerics.grid import LIMITS

#: bits by which ADD and SUB lift their operands (tensorflow/lite/kernels/add.cc)
_LIFT = 20


def add(machine: Machine, step: IntegerOp) -> None:
    (a, first), (b, second) = centred(machine, step, 0), centred(machine, step, 1)
    a, b = aligned([a, b])
    sign = -1 if step.op_type == "Sub" else 1
    if machine.requantization == "float":
        total = np.rint((a * first + sign * b * second) / out_scale(step)).astype(np.int64)
    else:
        twice = 2.0 * max(first, second)
        lifted = [scaled(x << _LIFT, multiplier(scale / twice)) for x, scale in ((a, first), (b, second))]
        total = scaled(lifted[0] + sign * lifted[1], multiplier(twice / ((1 << _LIFT) * out_scale(step))))
    machine.finish(step, total)


def mul(machine: Machine, step: IntegerOp) -> None:
    (a, first), (b, second) = centred(machine, step, 0), centred(machine, step, 1)
    a, b = aligned([a, b])
    machine.finish(step, machine.rescaled(a * b, first * second / out_scale(step)))


def requantize(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    machine.finish(step, machine.rescaled(x, scale / out_scale(step)))


def clamp(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    grid = signed(made(step))
    low, high = bounds_in_codes(step, grid)
    moved = x if scale == float(grid.scale) else machine.rescaled(x, scale / float(grid.scale))
    machine.values[step.outputs[0].name] = np.clip(moved + int(grid.zero_point), low, high)


def lookup(machine: Machine, step: IntegerOp) -> None:
    source, table = step.inputs
    assert source is not None and table is not None and table.data is not None
    index = machine.value(source) if source.dtype == "int8" else machine.value(source) + 128
    machine.values[step.outputs[0].name] = signed_codes(table.data).astype(np.int64)[index]


def leaky_relu(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    slope, ratio = attribute_float(step.node, "alpha", 0.01), scale / out_scale(step)
    machine.finish(step, np.where(x >= 0, machine.rescaled(x, ratio), _scaled_by(machine, x, slope * ratio)))


def prelu(machine: Machine, step: IntegerOp) -> None:
    (x, scale), (slope, slopes) = centred(machine, step, 0), centred(machine, step, 1)
    ratio = scale / out_scale(step)
    machine.finish(step, np.where(x >= 0, machine.rescaled(x, ratio), machine.rescaled(x * slope, slopes * ratio)))


def _scaled_by(machine: Machine, x: I64, factor: float) -> I64:
    return machine.rescaled(x, factor) if factor >= 0 else -machine.rescaled(x, -factor)


def hard_swish(machine: Machine, step: IntegerOp) -> None:
    """tensorflow/lite/kernels/internal/reference/hard_swish.h: 16-bit fixed point."""
    x, scale = centred(machine, step, 0)
    if machine.requantization == "float":
        real = x * scale
        machine.finish(step, np.rint(real * np.clip(real + 3, 0, 6) / 6 / out_scale(step)).astype(np.int64))
        return
    hires = np.float32(1 / 128) * np.float32(scale)
    to_output, output_exponent = factor_parts(float(np.float32(hires / np.float32(out_scale(step)))))
    to_relu, relu_exponent = factor_parts(float(np.float32(hires / np.float32(3 / 32768))))
    lifted = x << 7
    preshift = doubling_high(lifted, to_16_bits(to_output), 16)
    reluish = lifted if relu_exponent <= 0 else saturating_left(lifted, relu_exponent - 1)
    reluish = doubling_high(reluish, to_16_bits(to_relu), 16)
    if relu_exponent > 0:
        reluish = saturating_left(reluish, 1)
    elif relu_exponent < 0:
        reluish = rounding_shift(reluish, -relu_exponent)
    product = truncated(((reluish + (1 << 15)) >> 1) * preshift, 1 << 15)
    machine.finish(step, rounding_shift(product, -output_exponent) if output_exponent <= 0 else product << output_exponent)


def sigmoid(machine: Machine, step: IntegerOp) -> None:
    """TFLite's gemmlowp polynomial differs from the function by less than one code; so may this."""
    x, scale = centred(machine, step, 0)
    _real(machine, step, 1 / (1 + np.exp(-x * scale)))


def tanh(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    _real(machine, step, np.tanh(x * scale))


def softmax(machine: Machine, step: IntegerOp) -> None:
    x, scale = centred(machine, step, 0)
    axis = attribute_int(step.node, "axis", -1)
    powers = np.exp((x - x.max(axis, keepdims=True)) * scale)
    _real(machine, step, powers / powers.sum(axis, keepdims=True))


def _real(machine: Machine, step: IntegerOp, real: F64) -> None:
    machine.finish(step, round_away(real / out_scale(step)).astype(np.int64))


def quantize(machine: Machine, step: IntegerOp) -> None:
    """A float input: machine.values holds its codes already, see run.py."""
    source = step.inputs[0]
    assert source is not None
    machine.values[step.outputs[0].name] = np.clip(machine.values[source.name], *LIMITS["int8"])


def dequantize(machine: Machine, step: IntegerOp) -> None:
    """A float output is told by its codes."""
    machine.values[step.outputs[0].name] = machine.value(codes(step, 0))
