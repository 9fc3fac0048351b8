"""Fix a model to one sample per run, so that every size is known."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeq.errors import BadModel
from edgeq.graph.freeze import freeze_shapes
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.passes.prepare.fold_shapes import FoldShapes
from edgeq.passes.prepare.infer_shapes import InferShapes


def fixed_batch(model: ir.Model, sample: Mapping[str, tuple[int, ...]] | None = None) -> ir.Model:
    """A copy of the model with batch size 1, shapes inferred and shape arithmetic folded.

    sample: shapes of one sample by input name, which give sizes that are not fixed. Raises BadModel
    for an input that has an unknown size on an axis other than the first.
    """
    copy = model.clone()
    shapes = {}
    for value in copy.graph.inputs:
        if value.name in copy.graph.initializers or value.shape is None:
            continue
        told = (sample or {}).get(str(value.name), ())
        free = told if len(told) == len(value.shape) else (1,)
        sizes = [size if isinstance(size, int) or axis >= len(free) else free[axis] for axis, size in enumerate(value.shape)]
        if not all(isinstance(size, int) for size in sizes):
            fix = f"Give --data, whose first sample says them, or quantize with --shape {value.name}=DIMS."
            raise BadModel(f"Input {value.name} has sizes that are not fixed.", f"input {value.name}: {value.shape}", fix)
        shapes[str(value.name)] = tuple(int(size) for size in sizes if isinstance(size, int))
    freeze_shapes(copy, shapes)
    for value in copy.graph.outputs:
        if value.producer() is not None:  # not an output that is an input or a constant
            value.shape = None  # inferred anew for one sample
    InferShapes()(copy)
    while FoldConstants(grow=True)(copy).modified | FoldShapes()(copy).modified:
        InferShapes()(copy)
    return copy
