"""What compares codes: Max and Min, of several values or over axes, and comparisons.

They are MAXIMUM, MINIMUM, REDUCE_MAX, REDUCE_MIN, EQUAL, GREATER and their like in TFLite.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.interpreter.machine import Machine, aligned, centred
from edgeq.integers.operands import codes, grid_in, grid_out, reduced_axes, refused, same_grid, shape_of
from edgeq.integers.ops.binary import operand_tensor
from edgeq.integers.ops.mean import emit_over_axes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.numerics.arrays import Ints
from edgeq.numerics.grid import quantize

#: comparison -> TFLite's operator, its options and what numpy computes
_COMPARISONS = {
    "Equal": ("EQUAL", "EqualOptions", np.equal),
    "Greater": ("GREATER", "GreaterOptions", np.greater),
    "GreaterOrEqual": ("GREATER_EQUAL", "GreaterEqualOptions", np.greater_equal),
    "Less": ("LESS", "LessOptions", np.less),
    "LessOrEqual": ("LESS_EQUAL", "LessEqualOptions", np.less_equal),
}
#: operators that give the largest; the others give the smallest
_LARGEST = ("Max", "ReduceMax", "GlobalMaxPool")


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit MAXIMUM or MINIMUM, one for each operand behind the first.

    They work on the output's grid; operands on another one pass through a QUANTIZE.
    """
    grid, wanted = grid_out(step), shape_of(step.outputs[0], step)
    tensors = []
    for number in range(len(step.inputs)):
        source = codes(step, number)
        tensor = operand_tensor(emitter, step, source, len(wanted))
        tensors.append(emitter.requantized(tensor, emitter.tensors[tensor].shape, grid_in(step, number), grid, f"{source.name}_rescaled"))
    if len(tensors) == 1:
        emitter.reshaped(tensors[0], emitter.output(step))
    for number, tensor in enumerate(tensors[1:], start=1):
        if number == len(tensors) - 1:
            target = emitter.output(step)
        else:
            shapes = [emitter.tensors[index].shape for index in (tensors[0], tensor)]
            target = emitter.scratch(f"{step.name}_of_{number + 1}", np.broadcast_shapes(*shapes), grid)
        code = "MAXIMUM" if step.op_type in _LARGEST else "MINIMUM"
        emitter.op(code, [tensors[0], tensor], [target], "MaximumMinimumOptions", version=2)
        tensors[0] = target


def run(machine: Machine, step: IntegerOp) -> None:
    parts = aligned([machine.regridded(step, *centred(machine, step, number)) for number in range(len(step.inputs))])
    machine.finish(step, np.asarray(reduce(np.maximum if step.op_type in _LARGEST else np.minimum, parts)))


def emit_reduced(emitter: Emitter, step: IntegerOp) -> None:
    same_grid(step)
    emit_over_axes(emitter, step, "REDUCE_MAX" if step.op_type in _LARGEST else "REDUCE_MIN", may_drop=False)


def run_reduced(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    x = machine.value(codes(step, 0))
    axes, keep = reduced_axes(step, x.ndim)
    machine.store(step, (np.max if step.op_type in _LARGEST else np.min)(x, axis=axes, keepdims=keep))


def emit_compared(emitter: Emitter, step: IntegerOp) -> None:
    code, table, _ = _COMPARISONS[step.op_type]
    rank = len(shape_of(step.outputs[0], step))
    inputs = [operand_tensor(emitter, step, operand, rank) for operand in _compared(step)]
    emitter.op(code, inputs, [emitter.output(step)], table, version=2)


def run_compared(machine: Machine, step: IntegerOp) -> None:
    a, b = aligned([machine.value(operand) for operand in _compared(step)])
    machine.values[step.outputs[0].name] = np.asarray(_COMPARISONS[step.op_type][2](a, b), np.int64)


def _compared(step: IntegerOp) -> tuple[Operand, Operand]:
    """Both operands, which have one grid: then equal codes are equal numbers."""
    if grid_in(step, 0) != grid_in(step, 1):
        raise refused(step, "it compares values on different grids")
    return codes(step, 0), codes(step, 1)


def emit_flags(emitter: Emitter, step: IntegerOp) -> None:
    """Emit SELECT_V2 between the codes of 1 and of 0 for the Cast of a comparison."""
    source = _flags(step)
    grid, rank = grid_out(step), len(shape_of(source, step))
    ends = [
        emitter.weight(f"{step.name}_{word}", code.reshape((1,) * rank), grid, 0)
        for word, code in zip(("no", "yes"), _ends(step), strict=True)
    ]
    emitter.op("SELECT_V2", [emitter.tensor(source, step), ends[1], ends[0]], [emitter.output(step)], "SelectV2Options")


def run_flags(machine: Machine, step: IntegerOp) -> None:
    no, yes = (code.astype(np.int64) for code in _ends(step))
    machine.store(step, np.where(machine.values[_flags(step).name] != 0, yes, no))


def _flags(step: IntegerOp) -> Operand:
    source = step.inputs[0]
    if source is None or source.data is not None or source.dtype != "bool":
        raise refused(step, "what it reads is not the result of a comparison")
    return source


def _ends(step: IntegerOp) -> Ints:
    """The int8 codes of 0 and of 1."""
    return quantize(np.array([0, 1], np.float32), grid_out(step))
