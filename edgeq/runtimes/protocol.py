"""A model that is opened in a runtime: its inputs and outputs, and one run of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class Port:
    """An input or output: shape in the runtime's layout, dtype as a numpy name, grid (scale 0:
    none).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class OpenedModel(Protocol):
    """A model opened in a runtime that takes one sample a run, in its own layout."""

    @property
    def inputs(self) -> tuple[Port, ...]: ...

    @property
    def outputs(self) -> tuple[Port, ...]: ...

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        """One run: an array an input, in order; an array an output."""
        ...


def as_int(value: object) -> int:
    """A scalar of a runtime's metadata (list, array or number) as int; 0 where there is none."""
    flat = np.asarray(value).reshape(-1)
    return int(flat[0]) if flat.size else 0


def as_float(value: object) -> float:
    """The same as float."""
    flat = np.asarray(value).reshape(-1)
    return float(flat[0]) if flat.size else 0.0
