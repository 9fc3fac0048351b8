"""Operands of operators in torch: tensors, codes with a scale, and results without a grid yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import onnx_ir as ir
from torch import Tensor as Tensor

from edgeq.errors import UnsupportedOp


@dataclass(frozen=True, eq=False)
class Scaled:
    """Quantized numbers: their real values are codes * scale."""

    #: integers in float32, so that sums of their products equal those of integer kernels
    codes: Tensor
    #: the scale, which broadcasts to the codes
    scale: Tensor
    #: the zero point that has already been subtracted from the codes; None: 0
    zero: Tensor | None = None

    @cached_property
    def real(self) -> Tensor:
        """The real values of the codes."""
        return self.codes * self.scale


@dataclass(frozen=True, eq=False)
class Sum:
    """The sum of two quantized values, kept as its terms.

    An integer kernel adds the terms on the grid of the result, which is known only at the
    QuantizeLinear behind it.
    """

    first: Scaled
    second: Scaled
    #: factor of the sum
    slope: float = 1.0
    #: interval to which the product is clipped, which a kernel leaves to the grid; None: not at all
    ends: tuple[float, float] | None = None

    @cached_property
    def real(self) -> Tensor:
        """The sum in real values, multiplied and clipped."""
        total = (self.first.real + self.second.real) * self.slope
        return total if self.ends is None else total.clamp(*self.ends)


@dataclass(frozen=True, eq=False)
class Result:
    """A result whose rounding depends on the output grid.

    The kernel requantizes in its own order of operations.
    """

    #: computes the real values, without a grid
    numbers: Callable[[], Tensor]
    #: computes the codes for a scale and a zero point (None: 0), rounded but not yet clipped
    codes: Callable[[Tensor, Tensor | None], Tensor]

    @cached_property
    def real(self) -> Tensor:
        """The real values."""
        return self.numbers()


Operand: TypeAlias = Tensor | Scaled | Sum | Result


def real(operand: Operand) -> Tensor:
    """The real values of an operand, whatever its form."""
    return operand.real if isinstance(operand, Scaled | Sum | Result) else operand


@dataclass(frozen=True, eq=False)
class Operands:
    """The inputs of a node."""

    #: one operand for each input; None: an optional input that is left out
    given: list[Operand | None]

    def __getitem__(self, index: int) -> Tensor:
        found = self.get(index)
        assert found is not None
        return found

    def get(self, index: int) -> Tensor | None:
        """The real values of an optional input; None: left out."""
        found = self.given[index] if index < len(self.given) else None
        return None if found is None else real(found)

    def scaled(self, index: int) -> Scaled | None:
        """An input as codes with a scale; None: it has another form."""
        found = self.given[index] if index < len(self.given) else None
        return found if isinstance(found, Scaled) else None

    def terms(self, index: int) -> Sum | None:
        """An input as the terms of a sum of codes; None: it has another form."""
        found = self.given[index] if index < len(self.given) else None
        return found if isinstance(found, Sum) else None

    def result(self, index: int) -> Result | None:
        """An input whose producer rounds it in its own way; None: it has another form."""
        found = self.given[index] if index < len(self.given) else None
        return found if isinstance(found, Result) else None

    def ints(self, index: int) -> list[int]:
        """An input that holds a list of integers, such as a shape."""
        return [int(number) for number in self[index].reshape(-1).tolist()]


#: computes the outputs of a node from its inputs; a tuple where it has more than one output
TorchOperator = Callable[[ir.Node, Operands], Operand | tuple[Operand, ...]]


def refuse(node: ir.Node, why: str) -> UnsupportedOp:
    """The error for a form of an operator that cannot be run."""
    return UnsupportedOp(f"{node.op_type} {why} cannot be run in torch.", f"node {node.name}", "Replace it in the float model.")
