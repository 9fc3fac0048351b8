"""Made-up feeds for a model, and what it computes on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session

#: tried in turn for unknown dimensions (axis 0, all others), until the model runs
_SIZES = ((2, 32), (1, 32), (1, 224), (1, 512))
#: largest number of elements of one input
_MAX_FEED = 1 << 26


@dataclass(frozen=True, eq=False)
class MadeUpRun:
    """One run of a model."""

    #: input name -> array
    feeds: dict[str, AnyArray]
    #: the outputs that were asked for, in order
    outputs: list[AnyArray]


def first_run(session: Session, model: ir.Model, outputs: Sequence[str]) -> MadeUpRun:
    """The first run that the model accepts.

    Raises RuntimeRefused if it accepts none of the sizes tried, ValueError as random_feeds does.
    """
    refusal: RuntimeRefused | None = None
    fixed = all(isinstance(size, int) for value in model.graph.inputs for size in value.shape or ())
    for batch, size in _SIZES[:1] if fixed else _SIZES:
        feeds = random_feeds(model, size, batch)
        try:
            return MadeUpRun(feeds, session.run(feeds, outputs))
        except RuntimeRefused as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def random_feeds(model: ir.Model, size: int = 32, batch: int = 2) -> dict[str, AnyArray]:
    """Seeded feeds: standard normal floats, and zeros and ones for integers.

    Unknown sizes are `batch` on axis 0 and `size` elsewhere; dimensions of the same name get the
    same size. Raises ValueError for an input of unknown rank or type, one that is no tensor of
    numbers, or one that is too large.
    """
    rng = np.random.default_rng(0)
    feeds: dict[str, AnyArray] = {}
    named: dict[str, int] = {}
    for value in model.graph.inputs:
        if value.shape is None or value.dtype is None or not isinstance(value.type, ir.TensorType):
            raise ValueError(f"input {value.name} has no known rank or type")
        kind = value.dtype.numpy()
        if kind.kind not in "fiub":
            raise ValueError(f"input {value.name} holds no numbers")
        shape = []
        for axis, known in enumerate(value.shape):
            guess = batch if axis == 0 else size
            shape.append(known if isinstance(known, int) else named.setdefault(str(known.value or (value.name, axis)), guess))
        if math.prod(shape) > _MAX_FEED:
            raise ValueError(f"input {value.name} of shape {shape} is too large to try")
        integer = np.issubdtype(kind, np.integer) or kind == np.bool_
        feeds[value.name or ""] = (rng.integers(0, 2, shape) if integer else rng.standard_normal(shape)).astype(kind)
    return feeds
