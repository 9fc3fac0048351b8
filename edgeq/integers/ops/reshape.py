"""Identity, Reshape, Flatten, Squeeze and Unsqueeze on codes: RESHAPE of TFLite.

A transpose is added where the two layouts order the elements differently.
"""

from __future__ import annotations

import math

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, refused, same_grid, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import inverse, keeps_order, order, tflite_shape


def emit(emitter: Emitter, step: IntegerOp) -> None:
    """Emit the RESHAPE; an image that only Gemms read as rows keeps TFLite's order of elements.

    The columns of these Gemms' weights are permuted instead (see fully_connected.emit_gemm).
    """
    source = codes(step, 0)
    same_grid(step)
    shape, wanted = shape_of(source, step), shape_of(step.outputs[0], step)
    if shape == wanted:
        emitter.reshaped(emitter.tensor(source, step), emitter.output(step))
        return
    image = len(shape) == 4 and len(wanted) == 2 and not keeps_order(tflite_shape(shape), inverse(order(4)))
    if image and _only_gemms(emitter, step, shape, wanted):
        emitter.flattened[step.outputs[0].name] = (shape[1], shape[2], shape[3])
        emitter.reshaped(emitter.tensor(source, step), emitter.output(step))
        return
    tensor = emitter.tensor(source, step) if _in_order(shape) else emitter.plain(source, step)
    final = emitter.output(step)
    if _in_order(wanted):
        emitter.reshaped(tensor, final)
        return
    target, final = emitter.plain_output(step)
    emitter.reshaped(tensor, target)
    emitter.transposed(target, order(len(wanted)), final)


def _in_order(shape: tuple[int, ...]) -> bool:
    """Whether both layouts store the elements of this shape in the same order."""
    return keeps_order(shape, order(len(shape)))


def _only_gemms(emitter: Emitter, step: IntegerOp, shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    readers = emitter.readers.get(step.outputs[0].name, ())
    rows = wanted == (shape[0], math.prod(shape[1:]))
    return rows and bool(readers) and all(reader.op_type == "Gemm" for reader in readers)


def run(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    x = machine.value(codes(step, 0))
    wanted, source = shape_of(step.outputs[0], step), shape_of(codes(step, 0), step)
    if wanted[:1] != source[:1] and len(x) != source[0]:
        raise refused(step, "it mixes samples")
    machine.store(step, x.reshape((len(x), *wanted[1:]) if wanted[:1] == source[:1] else wanted))
