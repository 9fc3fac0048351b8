"""One operator of a model, as a runtime or the file reports it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RanOperator:
    """One operator as the runtime has it."""

    #: its type, as the runtime or the file names it
    op_type: str
    #: whether the numbers that it multiplies, adds or moves are integers
    integer: bool
    #: what the runtime says about who executes it
    kernel: str
