"""Fill in the types and shapes of all values, with onnx's own inference."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph import values

# onnx_ir logs a traceback when inference fails, which is no news here; a program that wants it adds a handler of its own
logging.getLogger("onnx_ir").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class InferShapes(ir.passes.InPlacePass):
    """Passes ask for ranks and sizes. Where inference fails, what is known stays: a missing shape only means fewer rewrites.

    Before: `y = Conv(x, w)` with a shape for x alone
    After:  the same with a shape for y
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        before = {value.name: (value.dtype, str(value.shape)) for value in values(model)}
        # no data_prop: FoldShapes does it, and onnx would allocate whatever a hostile Range asks for
        common_passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
        after = {value.name: (value.dtype, str(value.shape)) for value in values(model)}
        return ir.passes.PassResult(model, modified=before != after)
