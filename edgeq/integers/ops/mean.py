"""GlobalAveragePool and ReduceMean on codes: MEAN of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.fixed_point import Multiplier, multiplier, scaled
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_out, refused, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_axis


def emit(emitter: Emitter, step: IntegerOp) -> None:
    grid_out(step)
    source = codes(step, 0)
    rank = len(shape_of(source, step))
    axes, keep = _axes(step, rank), _keeps(step)
    if not keep and rank == 4 and set(axes) != {2, 3}:
        raise refused(step, "it drops axes of an image other than height and width")
    places = emitter.ints("axes", sorted(tflite_axis(axis, rank) for axis in axes))
    emitter.op("MEAN", [emitter.tensor(source, step), places], [emitter.output(step)], "ReducerOptions", {"KeepDims": keep}, 2)


def run(machine: Machine, step: IntegerOp) -> None:
    """Compute the mean as QuantizedMeanOrSum does: 1/n becomes part of the requantization factor.

    Source: tensorflow/lite/kernels/internal/reference/reduce.h.
    """
    x, scale = centred(machine, step, 0)
    axes = _axes(step, x.ndim)
    sums = machine.checked(step, x.sum(axes, keepdims=_keeps(step)))
    number, factor = int(np.prod([x.shape[axis] for axis in axes])), scale / out_scale(step)
    if machine.requantization == "float":
        machine.finish(step, np.rint(sums * (factor / number)).astype(np.int64))
        return
    by = multiplier(factor)
    shift = min(number.bit_length() - 1, 32, 31 + int(by.exponent))
    mantissa = (int(by.mantissa) << shift) // number
    machine.finish(step, scaled(sums, Multiplier(np.asarray(mantissa), by.exponent - shift)))


def _keeps(step: IntegerOp) -> bool:
    return step.op_type == "GlobalAveragePool" or bool(attribute_int(step.node, "keepdims", 1))


def _axes(step: IntegerOp, rank: int) -> tuple[int, ...]:
    """The ONNX axes that the mean is taken over, which must be constant."""
    axes = tuple(range(2, rank)) if step.op_type == "GlobalAveragePool" else attribute_ints(step.node, "axes")
    if axes is None:
        operand = step.inputs[1] if len(step.inputs) > 1 else None
        if operand is None or operand.data is None:
            raise refused(step, "its axes are not constant")
        axes = tuple(int(axis) for axis in operand.data.reshape(-1))
    return tuple(sorted(axis % rank for axis in axes))
