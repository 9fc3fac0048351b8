"""Functions of one number: fused clamps, RELU and clamps of their own, HARD_SWISH, LOGISTIC, TANH,
SOFTMAX, LEAKY_RELU, PRELU.
"""

from __future__ import annotations

import numpy as np

from edgeq.graph.read import attribute_float, attribute_int, clip_bounds
from edgeq.integers.graph import IntegerOp
from edgeq.integers.tflite.emitter import Emitter, codes, made, refused, shape_of, signed, signed_codes
from edgeq.integers.tflite.layout import place, stored
from edgeq.numerics.grid import LIMITS, QuantParams

#: numbers of the schema's enum ActivationFunctionType, by the bounds that they cut at
_FUSED = {(0.0, float("inf")): 1, (-1.0, 1.0): 2, (0.0, 6.0): 3}
#: the output grids that TFLite's specification fixes
_FIXED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}


def fused(step: IntegerOp) -> int:
    """The fused activation function of a step with a clamp; 0 where there is none, or where the
    output grid ends there anyway.
    """
    if step.clamp is None or implied(step.clamp, made(step)):
        return 0
    if step.clamp not in _FUSED:
        raise refused(step, f"the Clip to {step.clamp} behind it is none that TFLite fuses, and its output grid does not end there")
    return _FUSED[step.clamp]


def implied(bounds: tuple[float, float], grid: QuantParams) -> bool:
    """Whether the codes of the grid end within the bounds."""
    slack = float(grid.scale) / 2
    return bounds[0] <= float(grid.low) + slack and bounds[1] >= float(grid.high) - slack


def clamp(e: Emitter, step: IntegerOp) -> None:
    """A Relu or Clip of its own, on floats between Q and DQ or on codes: RELU where it is one, else
    MAXIMUM and MINIMUM with constants.
    """
    source, grid = codes(step, 0), signed(made(step))
    assert source.grid is not None
    shape = stored(shape_of(step.outputs[0], step))
    low, high = bounds_in_codes(step, grid)
    tensor = e.requantized(e.tensor(source, step), shape, source.grid, grid, f"{step.name}_requantized")
    least, most = LIMITS["int8"]
    zero = int(grid.zero_point)
    if (low, high) == (zero, most):
        e.op("RELU", [tensor], [e.output(step)], version=2)
        return
    cuts = [("MAXIMUM", low)] if low > least else []
    cuts += [("MINIMUM", high)] if high < most else []
    if not cuts:
        e.reshaped(tensor, e.output(step))
    for place_, (code, bound) in enumerate(cuts):
        target = e.output(step) if place_ == len(cuts) - 1 else e.scratch(f"{step.name}_cut", shape, grid)
        limit = e.weight(f"{step.name}_bound", np.full((1,) * max(len(shape), 1), bound, np.int8), grid, 0)
        e.op(code, [tensor, limit], [target], "MaximumMinimumOptions", version=2)
        tensor = target


def bounds_in_codes(step: IntegerOp, grid: QuantParams) -> tuple[int, int]:
    """The bounds as int8 codes, whether the step holds them as floats or as codes already."""
    limits = list(LIMITS["int8"])
    if any(o is not None and o.data is not None and o.data.dtype.kind in "iu" for o in step.inputs[1:]):
        for number, operand in enumerate(step.inputs[1:3]):
            if operand is not None and operand.data is not None:
                limits[number] = int(signed_codes(operand.data).item())
        return limits[0], limits[1]
    bounds = clip_bounds(step.node)
    if bounds is None:
        raise refused(step, "its bounds are not constant, or cut 0 off")
    for number, bound in enumerate(bounds):
        if np.isfinite(bound):
            limits[number] = int(np.clip(np.rint(bound / float(grid.scale)) + int(grid.zero_point), *LIMITS["int8"]))
    return limits[0], limits[1]


def hard_swish(e: Emitter, step: IntegerOp) -> None:
    made(step)
    e.op("HARD_SWISH", [e.tensor(codes(step, 0), step)], [e.output(step)], "HardSwishOptions")


def leaky_relu(e: Emitter, step: IntegerOp) -> None:
    made(step)
    options = {"Alpha": attribute_float(step.node, "alpha", 0.01)}
    e.op("LEAKY_RELU", [e.tensor(codes(step, 0), step)], [e.output(step)], "LeakyReluOptions", options, 2)


def prelu(e: Emitter, step: IntegerOp) -> None:
    made(step)
    source, slope = codes(step, 0), codes(step, 1)
    if slope.data is None or slope.grid is None:
        raise refused(step, "its slope is not constant")
    rank = len(shape_of(source, step))
    full = signed_codes(slope.data).reshape((1,) * (rank - slope.data.ndim) + slope.data.shape)
    order = [(0, 2, 3, 1)[axis] for axis in range(4)] if rank == 4 else list(range(rank))
    stored_slope = e.weight(f"{step.name}_slope", np.ascontiguousarray(full.transpose(order)[0]), signed(slope.grid), 0)
    e.op("PRELU", [e.tensor(source, step), stored_slope], [e.output(step)])


def logistic(e: Emitter, step: IntegerOp) -> None:
    _fixed(e, step, "LOGISTIC", None, {})


def tanh(e: Emitter, step: IntegerOp) -> None:
    _fixed(e, step, "TANH", None, {})


def softmax(e: Emitter, step: IntegerOp) -> None:
    rank = len(shape_of(codes(step, 0), step))
    if place(attribute_int(step.node, "axis", -1), rank) != rank - 1:
        raise refused(step, "its axis is not the last one of TFLite's layout")
    _fixed(e, step, "SOFTMAX", "SoftmaxOptions", {"Beta": 1.0})


def _fixed(e: Emitter, step: IntegerOp, code: str, table: str | None, options: dict[str, float]) -> None:
    """An operator whose output grid the specification fixes; a QUANTIZE behind it where the graph
    wants another.
    """
    scale, zero = _FIXED[code]
    grid, source = QuantParams("int8", np.asarray(scale, np.float32), np.asarray(zero, np.int32)), codes(step, 0)
    direct = signed(made(step)) == grid
    target = e.output(step) if direct else e.scratch(f"{step.name}_fixed", stored(shape_of(step.outputs[0], step)), grid)
    e.op(code, [e.tensor(source, step)], [target], table, options, {"SOFTMAX": 2, "LOGISTIC": 2, "TANH": 2}[code])
    if not direct:
        e.op("QUANTIZE", [target], [e.output(step)], "QuantizeOptions", version=2)
