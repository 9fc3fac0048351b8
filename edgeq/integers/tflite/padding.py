"""Express the padding of windows as TFLite's SAME or VALID, or as an explicit PAD."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgeq.integers.graph import IntegerOp
from edgeq.integers.operands import grid_in, shape_of
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.layout import tflite_shape
from edgeq.integers.windows import ImageWindow, is_same
from edgeq.numerics.grid import LIMITS

#: values of the schema's enum Padding
SAME, VALID = 0, 1
#: what padded elements hold: the code of 0, or the lowest code, which a maximum never selects
Fill = Literal["zero", "lowest"]


def padded_input(emitter: Emitter, step: IntegerOp, window: ImageWindow, fill: Fill) -> tuple[int, int]:
    """The input tensor and TFLite's padding; a PAD is added where neither SAME nor VALID fits."""
    first = step.inputs[0]
    assert first is not None
    source, shape = emitter.tensor(first, step), shape_of(first, step)
    if not window.padded:
        return source, VALID
    if is_same(window, shape[2:]):
        return source, SAME
    return explicitly_padded(emitter, step, window, fill), VALID


def explicitly_padded(emitter: Emitter, step: IntegerOp, window: ImageWindow, fill: Fill) -> int:
    """The input tensor with a PAD behind it."""
    first = step.inputs[0]
    assert first is not None
    source, shape, grid = emitter.tensor(first, step), shape_of(first, step), grid_in(step)
    amounts = np.array([[0, 0], [window.begins[0], window.ends[0]], [window.begins[1], window.ends[1]], [0, 0]], np.int32)
    larger = [int(size) + int(more) for size, more in zip(tflite_shape(shape), amounts.sum(1), strict=True)]
    target = emitter.scratch(f"{step.outputs[0].name}_padded", larger, grid)
    pads = emitter.ints("pads", amounts)
    if fill == "zero":
        emitter.op("PAD", [source, pads], [target], "PadOptions", version=2)
    else:
        lowest = np.array([LIMITS[grid.dtype][0]], grid.dtype)
        emitter.op("PADV2", [source, pads, emitter.weight("lowest", lowest, grid, 0)], [target], "PadV2Options", version=2)
    return target
