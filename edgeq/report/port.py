"""An input or output of a model, as the report of a run tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """A model input or output."""

    #: name of the input or output
    name: str
    #: dtype of what the application passes in or gets, as numpy calls it
    dtype: str
    #: sizes; a dynamic one is a name or None; None for all: the rank is unknown
    shape: tuple[int | str | None, ...] | None
    #: dtype of its codes inside the int8 model; None: it stays float
    grid: str | None = None
    #: scale of its codes
    scale: float | None = None
    #: zero point of its codes
    zero_point: int | None = None
    #: whether it takes raw pixels
    pixels: bool = False
    #: shape of a sample that was fed; None: there was no data
    sample: tuple[int, ...] | None = None
    #: the numbers of that sample, where they are few, such as a rate
    numbers: tuple[float | int, ...] = ()
