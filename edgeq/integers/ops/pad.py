"""Pad on codes: PAD, PADV2 and MIRROR_PAD of TFLite."""

from __future__ import annotations

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, grid_in, grid_out, refused, same_grid, shape_of
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order
from edgeq.numerics.arrays import I64
from edgeq.numerics.grid import LIMITS


def emit(emitter: Emitter, step: IntegerOp) -> None:
    source, mode = codes(step, 0), _mode(step)
    rank = len(shape_of(source, step))
    pairs = _pairs(step, rank)[list(order(rank))]
    if mode not in ("constant", "reflect"):
        raise refused(step, f"mode {mode}")
    inputs = [emitter.tensor(source, step), emitter.ints("pads", pairs)]
    grid, code = grid_in(step), _fill(step)
    if mode == "reflect":
        emitter.op("MIRROR_PAD", inputs, [emitter.output(step)], "MirrorPadOptions", {"Mode": 0}, 2)
    elif code == int(grid.zero_point):
        emitter.op("PAD", inputs, [emitter.output(step)], "PadOptions", version=2)
    else:
        fill = emitter.weight("fill", np.array([code], grid.dtype), grid, 0)
        emitter.op("PADV2", [*inputs, fill], [emitter.output(step)], "PadV2Options", version=2)


def run(machine: Machine, step: IntegerOp) -> None:
    x, mode = machine.value(codes(step, 0)), _mode(step)
    pairs = _pairs(step, x.ndim)
    match mode:
        case "constant":
            machine.store(step, np.pad(x, pairs, constant_values=_fill(step)))
        case "reflect" | "edge" | "wrap":
            machine.store(step, np.pad(x, pairs, mode))
        case _:
            raise refused(step, f"mode {mode}")


def _mode(step: IntegerOp) -> str:
    return step.node.attributes.get_string("mode", "constant")


def _pairs(step: IntegerOp, rank: int) -> I64:
    """The amounts added at the beginning and at the end of every ONNX axis: [rank, 2].

    Raises UnsupportedOp for amounts that are computed, given for some axes only, or negative.
    """
    same_grid(step)
    amounts = step.inputs[1].data if len(step.inputs) > 1 and step.inputs[1] is not None else None
    if amounts is None or (len(step.inputs) > 3 and step.inputs[3] is not None):
        raise refused(step, "its amounts are not constants for every axis")
    whole = amounts.astype(np.int64)
    if np.any(whole < 0):
        raise refused(step, "it crops")
    return whole.reshape(2, rank).T


def _fill(step: IntegerOp) -> int:
    """The code of the fill value, which the step holds as a float or as a code."""
    grid = grid_out(step)
    fill = step.inputs[2].data if len(step.inputs) > 2 and step.inputs[2] is not None else None
    if fill is None:
        return int(grid.zero_point)
    if fill.dtype.kind in "iu":
        return int(signed_codes(fill).item())
    return int(np.clip(np.rint(float(fill.item()) / float(grid.scale)) + int(grid.zero_point), *LIMITS[grid.dtype]))
