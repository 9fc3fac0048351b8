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
    likely = model.clone()
    inputs = set(likely.graph.inputs)
    for value in values(likely):
        if _open(value.shape):
            value.shape = _filled(value.shape) if value in inputs else None
    infer_types(likely, follow_values=True)
    for value, twin in zip(values(model), values(likely), strict=True):
        if _open(value.shape) and twin.shape is not None and twin.shape.is_static():
            value.meta[LIKELY] = tuple(int(size) for size in twin.shape.numpy())


def _open(shape: ir.Shape | None) -> bool:
    return shape is not None and not shape.is_static()


def _filled(shape: ir.Shape | None) -> ir.Shape | None:
    return shape and ir.Shape([size if isinstance(size, int) else UNKNOWN_DIM if axis else 1 for axis, size in enumerate(shape)])
