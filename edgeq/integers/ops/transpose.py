"""Transpose on codes: TRANSPOSE of TFLite, or RESHAPE where no element moves."""

from __future__ import annotations

from edgeq.graph.read import attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, same_grid, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order


def _permutation(step: IntegerOp, rank: int) -> tuple[int, ...]:
    return attribute_ints(step.node, "perm") or tuple(reversed(range(rank)))


def emit(emitter: Emitter, step: IntegerOp) -> None:
    source = codes(step, 0)
    same_grid(step)
    rank = len(shape_of(source, step))
    permutation, layout = _permutation(step, rank), order(rank)
    places = [layout.index(permutation[axis]) for axis in layout]
    emitter.transposed(emitter.tensor(source, step), places, emitter.output(step))


def run(machine: Machine, step: IntegerOp) -> None:
    same_grid(step)
    x = machine.value(codes(step, 0))
    machine.store(step, x.transpose(_permutation(step, x.ndim)))
