"""The samples that a conversion is proven on: the user's data, or made-up codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.independence import fed_rightly
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.data.sources import DataSource
from edgeq.graph.code_grids import grid_of, recorded_grid
from edgeq.graph.read import is_op
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import LIMITS, QuantParams, dequantize
from edgeq.schema.task import Shapes

#: samples that are made up where there is no data
MADE_UP = 8


@dataclass(frozen=True, eq=False)
class Samples:
    """Data for the model's own inputs, opened."""

    #: one sample a feed, in the types that the source declares
    dataset: Dataset
    #: whether the samples are codes that were drawn, and no data
    made_up: bool


def samples_of(source: ir.Model, own: ir.Model, data: DataSource | None, shapes: Shapes, samples: int | None) -> Samples:
    """The samples for a source model.

    own: the normalised model, whose inputs have known sizes and grids. Without data, every code of
    an input's grid is equally likely: numbers that the grid holds exactly. Raises BadData.
    """
    made = _made_up(source, own) if data is None else data
    with_sizes = {**shapes, **_sizes(own)} if data is None else shapes
    dataset = open_dataset(made, input_specs(source), samples=samples, split="evaluation", shapes=with_sizes, float_model=source)
    return Samples(fed_rightly(dataset, source), data is None)


def _sizes(own: ir.Model) -> dict[str, tuple[int, ...]]:
    return {spec.name: tuple(int(size) for size in spec.shape or () if isinstance(size, int)) for spec in input_specs(own)}


def _made_up(source: ir.Model, own: ir.Model) -> dict[str, AnyArray]:
    noise, found = np.random.default_rng(0), {}
    grids = {str(value.name): _grid(own, value) for value in own.graph.inputs}
    for spec in input_specs(source):
        shape = (MADE_UP, *_sizes(own)[spec.name][1:])
        grid = grids[spec.name]
        kind = np.dtype(spec.dtype)
        low, high = LIMITS[grid.dtype] if grid is not None else (0, 1)
        codes = noise.integers(low, high + 1, shape)
        if kind.kind != "f":
            found[spec.name] = codes.astype(kind)
        elif grid is None:
            found[spec.name] = noise.standard_normal(shape).astype(kind)
        else:
            found[spec.name] = dequantize(codes, grid).astype(kind)
    return found


def _grid(own: ir.Model, value: ir.Value) -> QuantParams | None:
    """The grid of an input: recorded, or that of the node that reads it."""
    recorded = recorded_grid(own, str(value.name))
    if recorded is not None:
        return recorded
    readers = [use.node for use in value.uses() if is_op(use.node, "QuantizeLinear", "DequantizeLinear")]
    return grid_of(readers[0]) if readers else None
