"""The interface of a model opened in a runtime: its inputs and outputs, and one run of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeq.numerics.arrays import AnyArray

#: types of codes that a model takes and gives
CODE_TYPES = ("int8", "uint8", "int16", "uint16")


@dataclass(frozen=True)
class Port:
    """An input or output of an opened model."""

    #: as the runtime calls it
    name: str
    #: in the runtime's layout
    shape: tuple[int, ...]
    #: as numpy calls it
    dtype: str
    #: of its codes; 0: they are not quantized
    scale: float
    #: of its codes
    zero_point: int


class OpenedModel(Protocol):
    """A model opened in a runtime, which takes one sample per run in its own layout."""

    @property
    def inputs(self) -> tuple[Port, ...]: ...

    @property
    def outputs(self) -> tuple[Port, ...]: ...

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        """Run once with one array per input, in order; returns one array per output."""
        ...


def as_int(value: object) -> int:
    """A scalar of a runtime's metadata (list, array or number) as int; 0 when there is none."""
    flat = np.asarray(value).reshape(-1)
    return int(flat[0]) if flat.size else 0


def as_float(value: object) -> float:
    """A scalar of a runtime's metadata (list, array or number) as float; 0 when there is none."""
    flat = np.asarray(value).reshape(-1)
    return float(flat[0]) if flat.size else 0.0
