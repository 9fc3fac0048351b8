"""HardSwish on codes: HARD_SWISH of TFLite, computed in 16-bit fixed point."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import doubling_high, factor_parts, rounding_shift, saturating_left, to_16_bits, truncated
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_out
from edgeq.integers.tflite.emitter import Emitter


def emit(emitter: Emitter, step: IntegerOp) -> None:
    grid_out(step)
    emitter.op("HARD_SWISH", [emitter.tensor(codes(step, 0), step)], [emitter.output(step)], "HardSwishOptions")


def run(machine: Machine, step: IntegerOp) -> None:
    """Compute the codes as tensorflow/lite/kernels/internal/reference/hard_swish.h does."""
    x, scale = centred(machine, step, 0)
    if machine.requantization == "float":
        real = x * scale
        machine.finish(step, machine.rounded(real * np.clip(real + 3, 0, 6) / 6 / out_scale(step)))
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
