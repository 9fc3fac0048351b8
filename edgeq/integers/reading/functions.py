"""Read the operators of .tflite files that compute element by element, or over axes."""

from __future__ import annotations

import numpy as np

from edgeq.integers.reading.builder import Builder
from edgeq.integers.reading.movement import lift
from edgeq.integers.signed import signed
from edgeq.numerics.grid import LIMITS, quantize


def quantized(builder: Builder) -> None:
    """QUANTIZE: of a float input of the model, or from one grid to another."""
    source = builder.input(0)
    builder.add("QuantizeLinear" if source.is_float else "Requantize", [source], builder.outputs)


def dequantized(builder: Builder) -> None:
    """DEQUANTIZE to a float output of the model."""
    builder.add("DequantizeLinear", [builder.input(0)], builder.outputs)


def of_two(builder: Builder, op_type: str) -> None:
    """An operator of two operands, either of which may be constant."""
    first = builder.input(0)
    if first.is_index:
        lift(builder, first)
        return
    builder.add(op_type, [first, builder.input(1)], builder.outputs, {}, builder.clamp())


def of_one(builder: Builder, op_type: str) -> None:
    builder.add(op_type, [builder.input(0)], builder.outputs)


def along_last(builder: Builder, op_type: str) -> None:
    """SOFTMAX and LOG_SOFTMAX."""
    if builder.real("Beta", 1.0) != 1.0:
        raise builder.refused("its beta is not 1")
    builder.add(op_type, [builder.input(0)], builder.outputs, {"axis": -1})


def clipped(builder: Builder, low: float, high: float) -> None:
    """RELU and its like: bounds as codes of the output's grid."""
    grid = builder.outputs[0].grid
    if grid is None:
        raise builder.refused("its output is not quantized")
    own = signed(grid)
    least, most = (float(np.clip(end / float(own.scale), -1e6, 1e6)) + int(own.zero_point) for end in (low, high))
    ends = [np.array(np.clip(np.rint(end), *LIMITS[own.dtype]), own.dtype) for end in (least, most)]
    builder.add("Clip", [builder.input(0), *(builder.constant("bound", end) for end in ends)], builder.outputs)


def leaky(builder: Builder) -> None:
    builder.add("LeakyRelu", [builder.input(0)], builder.outputs, {"alpha": builder.real("Alpha", 0.0)})


def prelu(builder: Builder) -> None:
    builder.add("PRelu", [builder.input(0), builder.input(1)], builder.outputs)


def over_axes(builder: Builder, op_type: str) -> None:
    """MEAN, REDUCE_MAX and REDUCE_MIN."""
    rank = len(builder.input(0).shape or ())
    axes = sorted({int(axis) % rank for axis in builder.numbers(1).reshape(-1)})
    builder.add(op_type, [builder.input(0)], builder.outputs, {"axes": axes, "keepdims": builder.option("KeepDims")})


def chosen(builder: Builder) -> None:
    """SELECT_V2 between the codes of 1 and of 0: what makes codes of a comparison."""
    yes, no, grid = builder.input(1).data, builder.input(2).data, builder.outputs[0].grid
    ends = None if grid is None else quantize(np.array([0, 1], np.float32), grid)
    if yes is None or no is None or ends is None or {yes.size, no.size} != {1} or [no.item(), yes.item()] != ends.tolist():
        raise builder.refused("it chooses between other numbers than 1 and 0")
    builder.add("Cast", [builder.input(0)], builder.outputs)
