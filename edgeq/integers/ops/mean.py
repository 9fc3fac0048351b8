"""GlobalAveragePool and ReduceMean on codes: MEAN of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import Multiplier, multiplier
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_out, reduced_axes, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_axis


def emit(emitter: Emitter, step: IntegerOp) -> None:
    grid_out(step)
    emit_over_axes(emitter, step, "MEAN", may_drop=True)


def emit_over_axes(emitter: Emitter, step: IntegerOp, code: str, *, may_drop: bool) -> None:
    """Emit a reduction over the step's axes, and what drops them where ONNX does.

    may_drop: let the operator itself drop them where the rest of them lie in ONNX's order.
    """
    source = codes(step, 0)
    shape = shape_of(source, step)
    axes, keep = reduced_axes(step, len(shape))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    places = emitter.ints("axes", sorted(tflite_axis(axis, len(shape)) for axis in axes))
    drops = may_drop and not keep and (len(shape) < 4 or (len(shape) == 4 and set(axes) == {2, 3}))
    target = emitter.output(step) if drops else emitter.kept_output(step, kept)
    emitter.op(code, [emitter.tensor(source, step), places], [target], "ReducerOptions", {"KeepDims": not drops}, 2)
    if not drops:
        emitter.dropped(step, target, kept)


def run(machine: Machine, step: IntegerOp) -> None:
    """Compute the mean as QuantizedMeanOrSum does: 1/n becomes part of the requantization factor.

    Source: tensorflow/lite/kernels/internal/reference/reduce.h.
    """
    x, scale = centred(machine, step, 0)
    axes, keep = reduced_axes(step, x.ndim)
    sums = machine.checked(step, x.sum(axes, keepdims=keep))
    number, factor = int(np.prod([x.shape[axis] for axis in axes])), scale / out_scale(step)
    if machine.requantization == "float":
        machine.finish(step, machine.rounded(sums * np.asarray(factor / number)))
        return
    by = multiplier(factor)
    shift = min(number.bit_length() - 1, 32, 31 + int(by.exponent))
    mantissa = (int(by.mantissa) << shift) // number
    machine.finish(step, machine.scaled(sums, Multiplier(np.asarray(mantissa), by.exponent - shift)))
