"""Scale channels in the layer that makes them, and undo it in the layers that read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, replace_constant
from edgeq.graph.find_layer import scalable_layer
from edgeq.graph.read import constant
from edgeq.numerics.arrays import F32, F64, AnyArray

#: key in a model's metadata in memory that marks it as equalized
DONE = "edgeq.equalized"


@dataclass(frozen=True)
class Equalize(ir.passes.InPlacePass):
    """Multiply the channels of the named values by factors; the network's outputs stay the same.

    Before:  a = Conv(x, w, b)                    r = Relu(a)   y = Conv(r, v)
    After:   a = Conv(x, w * u[:, None], b * u)   r = Relu(a)   y = Conv(r, v / u[None, :])

    A model is equalized only once; it is marked in memory.
    """

    #: name of a value of the main graph -> a positive factor per channel [C]; the values of one
    #: class (edgeq/graph/channels/classes.py) have the same factors
    factors: Mapping[str, F64]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if model.meta.get(DONE):
            return ir.passes.PassResult(model, modified=False)
        names = Names(model)
        changed = [self._scale(node, names) for node in model.graph]
        model.meta[DONE] = any(changed)
        return ir.passes.PassResult(model, modified=any(changed))

    def _scale(self, node: ir.Node, names: Names) -> bool:
        layer = scalable_layer(node)
        if layer is None or node.inputs[0] is None:
            return False
        before, after = self.factors.get(str(node.inputs[0].name)), self.factors.get(str(node.outputs[0].name))
        if before is None and after is None:
            return False
        weight, bias = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
        assert weight is not None  # a scalable layer has one
        replace_constant(node, 1, layer.scaled(weight, before, after).astype(np.float32), names)
        if bias is not None and after is not None:
            replace_constant(node, 2, _scaled_bias(bias, after), names)
        return True


def _scaled_bias(bias: AnyArray, factors: F64) -> F32:
    """The bias times the factors [C]; a Gemm's bias may be [.., C] or a single number."""
    scaled = np.asarray(bias, np.float64) * factors
    return np.asarray(scaled, np.float32)
