"""Pad: PAD, PADV2, MIRROR_PAD."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, grid_in, grid_out, refused, same_grid, shape_of
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order


def emit(emitter: Emitter, step: IntegerOp) -> None:
    source, node = codes(step, 0), step.node
    same_grid(step)
    amounts = step.inputs[1].data if len(step.inputs) > 1 and step.inputs[1] is not None else None
    mode = node.attributes.get_string("mode", "constant")
    if amounts is None or (len(step.inputs) > 3 and step.inputs[3] is not None):
        raise refused(step, "its amounts are not constants for every axis")
    whole = amounts.astype(np.int64)
    if np.any(whole < 0):
        raise refused(step, "it crops")
    rank = len(shape_of(source, step))
    pairs = whole.reshape(2, rank).T[list(order(rank))]
    inputs = [emitter.tensor(source, step), emitter.ints("pads", pairs)]
    if mode == "reflect":
        emitter.op("MIRROR_PAD", inputs, [emitter.output(step)], "MirrorPadOptions", {"Mode": 0}, 2)
        return
    if mode != "constant":
        raise refused(step, f"mode {mode}")
    grid, code = grid_in(step), _fill(step)
    if code == int(grid.zero_point):
        emitter.op("PAD", inputs, [emitter.output(step)], "PadOptions", version=2)
    else:
        fill = emitter.weight("fill", np.array([code], np.int8), grid, 0)
        emitter.op("PADV2", [*inputs, fill], [emitter.output(step)], "PadV2Options", version=2)


def run(machine: Machine, step: IntegerOp) -> None:
    x, amounts = machine.value(codes(step, 0)), step.inputs[1]
    if amounts is None or amounts.data is None:
        raise refused(step, "its amounts are not constant")
    pairs = amounts.data.astype(np.int64).reshape(2, x.ndim).T
    if step.node.attributes.get_string("mode", "constant") == "reflect":
        machine.values[step.outputs[0].name] = np.pad(x, pairs, mode="reflect")
    else:
        machine.values[step.outputs[0].name] = np.pad(x, pairs, constant_values=_fill(step))


def _fill(step: IntegerOp) -> int:
    """The int8 code that a Pad fills with, whether it holds a float or a code already."""
    grid = grid_out(step)
    fill = step.inputs[2].data if len(step.inputs) > 2 and step.inputs[2] is not None else None
    if fill is None:
        return int(grid.zero_point)
    if fill.dtype.kind in "iu":
        return int(signed_codes(fill).item())
    return int(np.clip(np.rint(float(fill.item()) / float(grid.scale)) + int(grid.zero_point), -128, 127))
