"""How many bytes values have when a model runs on given feeds, as far as shapes tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.graph.liveness import peak_bytes
from edgeq.graph.read import values
from edgeq.graph.value_types import infer_types
from edgeq.numerics.arrays import AnyArray

#: feeds of fewer bytes make no values that are worth inferring shapes for
SMALL = 1 << 18


def value_sizes(model: ir.Model, names: Iterable[str], example: Mapping[str, AnyArray]) -> dict[str, int]:
    """Name -> bytes of a value of 4 bytes an element; unknown sizes count as the largest feed's.

    example: feeds of one run.
    """
    wanted, largest = set(names), max((array.nbytes for array in example.values()), default=0)
    found = _resolved(model, wanted, example)
    if len(found) < len(wanted) and largest >= SMALL:
        found |= _resolved(_frozen(model, example), wanted, example)
    return {name: found.get(name, largest) for name in wanted}


def run_bytes(model: ir.Model, data: Dataset) -> int:
    """The most bytes of values that are alive at once while a model runs on the first of the data.

    What peak_bytes tells, with the sizes of the data for those that the model leaves open.
    """
    feeds = next((piece.feeds for piece in data.batches(1, 0, data.fixed_batch or 1)), {})
    open_ended = any(not isinstance(size, int) for value in model.graph.inputs for size in (value.shape or ())[1:])
    if open_ended and sum(array.nbytes for array in feeds.values()) >= SMALL:
        model = _frozen(model, feeds)
    return peak_bytes(model, frozenset())


def _frozen(model: ir.Model, example: Mapping[str, AnyArray]) -> ir.Model:
    """A copy whose inputs have the shapes of these feeds, with the shapes that follow."""
    frozen = model.clone()
    for value in frozen.graph.inputs:
        if str(value.name) in example and isinstance(value.type, ir.TensorType):
            value.shape = ir.Shape(np.shape(example[str(value.name)]))
    for value in frozen.graph.outputs:
        value.shape = None
    infer_types(frozen, follow_values=True)
    return frozen


def _resolved(model: ir.Model, wanted: set[str], example: Mapping[str, AnyArray]) -> dict[str, int]:
    """The sizes that follow from shapes, where the names of dimensions stand for those of feeds."""
    known: dict[str, int] = {}
    for value in model.graph.inputs:
        fed = example.get(str(value.name))
        if fed is not None and value.shape is not None and len(value.shape) == fed.ndim:
            known |= {str(dim): size for dim, size in zip(value.shape, fed.shape, strict=True) if not isinstance(dim, int)}
    known.pop("None", None)
    found = {}
    for value in values(model):
        if value.name in wanted and value.shape is not None:
            sizes = [dim if isinstance(dim, int) else known.get(str(dim)) for dim in value.shape]
            if None not in sizes:
                found[str(value.name)] = 4 * math.prod(size for size in sizes if size is not None)
    return found
