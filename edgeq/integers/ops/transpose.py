"""Transpose, DepthToSpace and SpaceToDepth on codes: operators that reorder elements.

They are TRANSPOSE (RESHAPE where no element moves), DEPTH_TO_SPACE and SPACE_TO_DEPTH of TFLite.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.machine import Machine
from edgeq.integers.operands import codes, refused, same_grid, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import order, tflite_shape
from edgeq.numerics.arrays import I64


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


def emit_depth_to_space(emitter: Emitter, step: IntegerOp) -> None:
    """Emit DEPTH_TO_SPACE, which splits channels as mode DCR does; for CRD they change places."""
    block, shape = _block(step)
    tensor = emitter.tensor(codes(step, 0), step)
    if _column_row(step):
        places = np.arange(shape[1]).reshape(-1, block * block).T.reshape(-1)
        target = emitter.scratch(f"{step.name}_reordered", tflite_shape(shape), step.outputs[0].grid)
        emitter.op("GATHER", [tensor, emitter.ints("places", places)], [target], "GatherOptions", {"Axis": 3}, 2)
        tensor = target
    emitter.op("DEPTH_TO_SPACE", [tensor], [emitter.output(step)], "DepthToSpaceOptions", {"BlockSize": block})


def run_depth_to_space(machine: Machine, step: IntegerOp) -> None:
    block, (_, channels, height, width) = _block(step)
    x, rest = machine.value(codes(step, 0)), channels // (block * block)
    if _column_row(step):
        parts = x.reshape(len(x), rest, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        parts = x.reshape(len(x), block, block, rest, height, width).transpose(0, 3, 4, 1, 5, 2)
    _store(machine, step, parts.reshape(len(x), rest, height * block, width * block))


def emit_space_to_depth(emitter: Emitter, step: IntegerOp) -> None:
    options = {"BlockSize": _block(step)[0]}
    emitter.op("SPACE_TO_DEPTH", [emitter.tensor(codes(step, 0), step)], [emitter.output(step)], "SpaceToDepthOptions", options, 2)


def run_space_to_depth(machine: Machine, step: IntegerOp) -> None:
    block, (_, channels, height, width) = _block(step)
    x = machine.value(codes(step, 0))
    parts = x.reshape(len(x), channels, height // block, block, width // block, block).transpose(0, 3, 5, 1, 2, 4)
    _store(machine, step, parts.reshape(len(x), -1, height // block, width // block))


def _store(machine: Machine, step: IntegerOp, codes: I64) -> None:
    machine.store(step, np.ascontiguousarray(codes))


def _block(step: IntegerOp) -> tuple[int, tuple[int, ...]]:
    """The size of a block, and the ONNX shape of the image."""
    same_grid(step)
    shape = shape_of(codes(step, 0), step)
    if len(shape) != 4:
        raise refused(step, "it does not work on images")
    return attribute_int(step.node, "blocksize", 1), shape


def _column_row(step: IntegerOp) -> bool:
    return step.node.attributes.get_string("mode", "DCR") == "CRD"
