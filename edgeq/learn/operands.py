"""What an operator in torch is given, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir
from torch import Tensor as Tensor

from edgeq.errors import UnsupportedOp


@dataclass(frozen=True, eq=False)
class Operands:
    """What a node reads; None where an optional input is left out."""

    given: list[Tensor | None]

    def __getitem__(self, index: int) -> Tensor:
        found = self.get(index)
        assert found is not None
        return found

    def get(self, index: int) -> Tensor | None:
        """An optional input."""
        return self.given[index] if index < len(self.given) else None

    def ints(self, index: int) -> list[int]:
        """A list of integers, such as a shape."""
        return [int(number) for number in self[index].reshape(-1).tolist()]


Operator = Callable[[ir.Node, Operands], Tensor]


def refuse(node: ir.Node, why: str) -> UnsupportedOp:
    """The error for a form of an operator that cannot be run."""
    return UnsupportedOp(f"{node.op_type} {why} cannot be run in torch.", f"node {node.name}", "Replace it in the float model.")
