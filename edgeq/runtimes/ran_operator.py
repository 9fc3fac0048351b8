"""One operator of a model as a runtime, or its file, says that it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RanOperator:
    """One operator as the runtime has it. integer: whether the numbers that it multiplies, adds or
    moves are integers.

    kernel: what the runtime says about who executes it.
    """

    op_type: str
    integer: bool
    kernel: str
