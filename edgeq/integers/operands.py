"""Access the operands of an integer operator: grids and sizes, or an error that names the node."""

from __future__ import annotations

from edgeq.errors import UnsupportedOp
from edgeq.graph.read import attribute_int, attribute_ints
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.signed import signed
from edgeq.numerics.grid import QuantParams

_FLOAT = "Quantize for a target of integers alone, such as mcu_tflite."


def refused(step: IntegerOp, why: str, fix: str = "Change the float model.") -> UnsupportedOp:
    """The error for a step that TFLite cannot express, with the reason `why`."""
    return UnsupportedOp(f"TFLite's int8 operators cannot express this {step.op_type}: {why}.", f"node {step.name}", fix)


def shape_of(operand: Operand, step: IntegerOp) -> tuple[int, ...]:
    """The sizes of a tensor. Raises UnsupportedOp where one is unknown."""
    if operand.shape is None:
        raise UnsupportedOp(
            f"A size of {operand.name} is not known; TFLite models have fixed shapes.",
            f"node {step.name}",
            "Freeze the inputs: --shape NAME=DIMS.",
        )
    return operand.shape


def codes(step: IntegerOp, number: int) -> Operand:
    """The input with this number. Raises UnsupportedOp where it has no grid."""
    found = step.inputs[number] if number < len(step.inputs) else None
    if found is None or found.grid is None:
        raise refused(step, f"its input {number} is not quantized", _FLOAT)
    return found


def grid_in(step: IntegerOp, number: int = 0) -> QuantParams:
    """The grid of an input, in int8 codes. Raises UnsupportedOp where it has none."""
    grid = codes(step, number).grid
    assert grid is not None  # codes() has looked
    return signed(grid)


def grid_out(step: IntegerOp, number: int = 0) -> QuantParams:
    """The grid of an output, in int8 codes. Raises UnsupportedOp where it has none."""
    grid = step.outputs[number].grid if number < len(step.outputs) else None
    if grid is None:
        raise refused(step, "its output is not quantized", _FLOAT)
    return signed(grid)


def same_grid(step: IntegerOp) -> None:
    """Raise UnsupportedOp unless all outputs of a step that moves codes have its input's grid."""
    grid = grid_in(step)
    if any(grid_out(step, number) != grid for number in range(len(step.outputs))):
        raise refused(step, "it moves codes, but its output has another grid than its input")


def reduced_axes(step: IntegerOp, rank: int) -> tuple[tuple[int, ...], bool]:
    """The ONNX axes that a reduction or a global pool works on, and whether they stay, of size 1.

    Raises UnsupportedOp for axes that are computed.
    """
    if step.op_type.startswith("Global"):
        return tuple(range(2, rank)), True
    axes, keep = attribute_ints(step.node, "axes"), bool(attribute_int(step.node, "keepdims", 1))
    operand = step.inputs[1] if len(step.inputs) > 1 else None
    if axes is None and operand is not None:
        if operand.data is None:
            raise refused(step, "its axes are not constant")
        axes = tuple(int(axis) for axis in operand.data.reshape(-1))
    if not axes and attribute_int(step.node, "noop_with_empty_axes", 0):
        return (), keep
    return tuple(sorted(axis % rank for axis in axes or range(rank))), keep
