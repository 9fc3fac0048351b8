"""The state of a reference run: codes of values, requantization, saturation, overflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.integers.bounds import clamp_codes
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.interpreter.fixed_point import INT32, Multiplier, multiplier, scaled, scaled_long
from edgeq.integers.operands import codes, grid_in, grid_out
from edgeq.integers.signed import signed_codes
from edgeq.numerics.arrays import F64, I64

Requantization = Literal["fixed_point", "float"]


@dataclass(frozen=True)
class Overflow:
    """An accumulator that overflowed int32."""

    #: name of the node that accumulates
    node: str
    #: largest magnitude of its sums
    largest: int


@dataclass
class Machine:
    """One run: what has been computed so far."""

    #: how sums are brought to the output grid
    requantization: Requantization
    #: name -> int8 codes [N, ...]
    values: dict[str, I64]
    #: accumulators that overflowed int32 so far
    overflows: list[Overflow] = field(default_factory=list)

    def value(self, operand: Operand) -> I64:
        """The codes of an activation or a constant, as int8 values in int64."""
        if operand.data is not None:
            return signed_codes(operand.data).astype(np.int64)
        return self.values[operand.name]

    def rescaled(self, sums: I64, factor: F64 | float) -> I64:
        """sums * factor, rounded."""
        if self.requantization == "fixed_point":
            return self.scaled(sums, multiplier(factor))
        return self.rounded(np.asarray(sums * np.asarray(factor, np.float64)))

    def rescaled_long(self, sums: I64, factor: F64 | float) -> I64:
        """sums of products of 16-bit codes * factor, rounded."""
        if self.requantization == "fixed_point":
            return scaled_long(sums, multiplier(factor))
        return self.rounded(np.asarray(sums * np.asarray(factor, np.float64)))

    def products(self, step: IntegerOp, sums: NDArray[np.floating] | I64, factor: F64 | float) -> I64:
        """Sums of products * factor, rounded, in the arithmetic of the input's width."""
        if grid_in(step).dtype == "int16":
            return self.rescaled_long(np.asarray(sums).astype(np.int64), factor)
        return self.rescaled(self.checked(step, sums), factor)

    def scaled(self, x: I64, by: Multiplier) -> I64:
        """x times a factor in fixed point, rounded."""
        return scaled(x, by)

    def rounded(self, real: F64) -> I64:
        """Real numbers as codes, in float arithmetic: halves to the even one, as ONNX has it."""
        return np.rint(real).astype(np.int64)

    def checked(self, step: IntegerOp, sums: NDArray[np.floating] | I64) -> I64:
        """Sums as int64. Sums beyond int32 are recorded as an overflow and wrap as in hardware."""
        whole = np.asarray(sums).astype(np.int64)
        largest = int(np.abs(whole).max(initial=0))
        if largest > INT32[1]:
            self.overflows.append(Overflow(step.name, largest))
            whole = (whole - INT32[0]) % (1 << 32) + INT32[0]
        return whole

    def regridded(self, step: IntegerOp, x: I64, scale: float) -> I64:
        """Rescale codes minus zero point from `scale` to the scale of the step's output."""
        return x if scale == out_scale(step) else self.rescaled(x, scale / out_scale(step))

    def finish(self, step: IntegerOp, rescaled: I64) -> None:
        """Add the zero point of the output and store."""
        self.store(step, rescaled + int(grid_out(step).zero_point))

    def store(self, step: IntegerOp, codes: I64, number: int = 0) -> None:
        """Store codes as an output of the step, cut at its clamp and at the limits of int8."""
        low, high = clamp_codes(step, grid_out(step, number))
        self.values[step.outputs[number].name] = np.clip(codes, low, high)


def centred(machine: Machine, step: IntegerOp, number: int) -> tuple[I64, float]:
    """Codes minus zero point of an input, and its scale."""
    grid = grid_in(step, number)
    return machine.value(codes(step, number)) - int(grid.zero_point), float(grid.scale)


def out_scale(step: IntegerOp) -> float:
    return float(grid_out(step).scale)


def along(axis: int, rank: int, numbers: F64) -> F64:
    """Reshape numbers per channel to broadcast along `axis`; a single number becomes a scalar."""
    if numbers.size == 1:
        return numbers.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return numbers.reshape(shape)


def aligned(arrays: Sequence[I64]) -> list[I64]:
    """Give all arrays the same rank by leading axes of size 1, so that a batch broadcasts."""
    rank = max(array.ndim for array in arrays)
    return [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in arrays]
