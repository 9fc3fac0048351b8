"""An input or output of a model, as the report of a run tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.graph.signature import value_spec
from edgeq.schema.plan import Plan

#: an input of so few whole numbers is no signal but says something of it: a rate, a length
FEW_NUMBERS = 4


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


def with_sample(port: Port, data: Dataset | None) -> Port:
    """The input with the shape of the first sample, and its numbers where they are few."""
    if data is None or port.name not in data.survey.names:
        return port
    first = next(data.batches(1)).feeds[port.name]
    few = first.size <= FEW_NUMBERS and first.dtype.kind in "biu"
    return replace(port, sample=first.shape, numbers=tuple(first.reshape(-1).tolist()) if few else ())


def port_of(value: ir.Value, plan: Plan) -> Port:
    """An input or output of a model, with the grid that a plan gives it."""
    spec = value_spec(value)
    name, shape, dtype = spec.name, spec.shape, spec.holds
    if name in plan.pixels:
        return Port(name, dtype, shape, pixels=True)
    grid = plan.grids.get(name)
    return Port(name, dtype, shape) if grid is None else Port(name, dtype, shape, grid.dtype, grid.scale, grid.zero_point)
