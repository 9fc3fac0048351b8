"""Likely sizes of values whose dimensions are open: what follows from likely sizes of the inputs.

Where a model leaves the sides of a picture or the length of a sequence open, so are those of all
values behind it; a layer of stride 2 halves them all the same, and costs less for it.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.macs import LIKELY, UNKNOWN_DIM
from edgeq.graph.read import values
from edgeq.graph.value_types import infer_types


def note_likely_sizes(model: ir.Model) -> None:
    """Record on values with open dimensions what elements() reads, in memory and not in the file.

    Open dimensions of the inputs are taken as one sample, and as UNKNOWN_DIM along other axes.
    """
    if not any(_open(value.shape) for value in model.graph.inputs):
        return
    known = [(value, value.shape, value.type) for value in values(model)]
    inputs = set(model.graph.inputs)
    for value, shape, _ in known:
        if _open(shape):
            value.shape = _filled(shape) if value in inputs else None
    infer_types(model, follow_values=True)
    for value, shape, kind in known:
        likely = value.shape
        if _open(shape) and likely is not None and likely.is_static():
            value.meta[LIKELY] = tuple(int(size) for size in likely.numpy())
        value.shape, value.type = shape, kind


def _open(shape: ir.Shape | None) -> bool:
    return shape is not None and not shape.is_static()


def _filled(shape: ir.Shape | None) -> ir.Shape | None:
    return shape and ir.Shape([size if isinstance(size, int) else UNKNOWN_DIM if axis else 1 for axis, size in enumerate(shape)])
