"""What an operator in torch is given, and how it refuses."""

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
    """codes * scale. codes: whole float32 numbers, so that sums of products are those of integer
    kernels; scale broadcasts to them.

    zero: the zero point that was taken off the codes; None: 0.
    """

    codes: Tensor
    scale: Tensor
    zero: Tensor | None = None

    @cached_property
    def real(self) -> Tensor:
        """The numbers that these codes stand for."""
        return self.codes * self.scale


@dataclass(frozen=True, eq=False)
class Sum:
    """The sum of two values that have codes: an integer kernel adds them on the grid of the result,
    which is not known yet.

    slope: what the sum is multiplied with. ends: between which the product is cut, which a kernel
    leaves to the grid.
    """

    first: Scaled
    second: Scaled
    slope: float = 1.0
    ends: tuple[float, float] | None = None

    @cached_property
    def real(self) -> Tensor:
        """The sum of the numbers that these codes stand for."""
        total = (self.first.real + self.second.real) * self.slope
        return total if self.ends is None else total.clamp(*self.ends)


@dataclass(frozen=True, eq=False)
class Result:
    """What an integer kernel puts on the grid behind it in an order of its own. numbers: what it is
    without a grid.

    codes: those of a scale and a zero point (None: 0), rounded and not yet cut.
    """

    numbers: Callable[[], Tensor]
    codes: Callable[[Tensor, Tensor | None], Tensor]

    @cached_property
    def real(self) -> Tensor:
        """The numbers."""
        return self.numbers()


Operand: TypeAlias = Tensor | Scaled | Sum | Result


def real(operand: Operand) -> Tensor:
    """The numbers of an operand, whatever its form."""
    return operand.real if isinstance(operand, Scaled | Sum | Result) else operand


@dataclass(frozen=True, eq=False)
class Operands:
    """What a node reads; None where an optional input is left out."""

    given: list[Operand | None]

    def __getitem__(self, index: int) -> Tensor:
        found = self.get(index)
        assert found is not None
        return found

    def get(self, index: int) -> Tensor | None:
        """An optional input."""
        found = self.given[index] if index < len(self.given) else None
        return None if found is None else real(found)

    def scaled(self, index: int) -> Scaled | None:
        """An input's codes, if it has any."""
        found = self.given[index] if index < len(self.given) else None
        return found if isinstance(found, Scaled) else None

    def terms(self, index: int) -> Sum | None:
        """An input's terms, if it is a sum of codes."""
        found = self.given[index] if index < len(self.given) else None
        return found if isinstance(found, Sum) else None

    def result(self, index: int) -> Result | None:
        """An input that its maker has an own way to put on a grid."""
        found = self.given[index] if index < len(self.given) else None
        return found if isinstance(found, Result) else None

    def ints(self, index: int) -> list[int]:
        """A list of integers, such as a shape."""
        return [int(number) for number in self[index].reshape(-1).tolist()]


#: computes what a node makes of what it reads
TorchOperator = Callable[[ir.Node, Operands], Operand | tuple[Operand, ...]]


def refuse(node: ir.Node, why: str) -> UnsupportedOp:
    """The error for a form of an operator that cannot be run."""
    return UnsupportedOp(f"{node.op_type} {why} cannot be run in torch.", f"node {node.name}", "Replace it in the float model.")
