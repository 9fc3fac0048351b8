"""A layer's twin in the integer model that is run step by step: read its input, set its weight."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, is_op
from edgeq.graph.stored import stored_weight
from edgeq.refine.weight_fit import Fitted


def fed(twin: ir.Node) -> ir.Value:
    """The real numbers that a layer of the integer model reads."""
    value = twin.inputs[0]
    assert value is not None
    maker = value.producer()
    if is_op(twin, "MatMulInteger") and maker is not None:
        value = maker.inputs[0]  # the input of the DynamicQuantizeLinear
        assert value is not None
    return value


def put_weight(twin: ir.Node, layer: Layer, index: int | None, fit: Fitted) -> None:
    """Replace the layer's weight in the integer model, which continues with the new one.

    index: of the weight among the node's inputs.
    """
    assert index is not None
    stored = stored_weight(twin, index)
    before = None if stored is None else constant(stored.codes)
    assert stored is not None and stored.scale is not None and before is not None
    codes = layer.from_rows(fit.codes).astype(before.dtype)
    stored.codes.const_value = ir.Tensor(np.ascontiguousarray(codes), name=stored.codes.name)
    stored.scale.const_value = ir.Tensor(fit.grid.params.scale, name=stored.scale.name)
