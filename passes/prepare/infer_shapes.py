"""Infer the types and shapes of all values, with onnx's own inference."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import is_op, nodes, values
from edgeq.graph.shapes.symbolic_shapes import integers_are_short
from edgeq.graph.value_types import infer_types


@dataclass(frozen=True)
class InferShapes(ir.passes.InPlacePass):
    """Add the types and shapes that other passes need.

    Where inference fails, what is known stays: a missing shape only means fewer rewrites.

    Before: `y = Conv(x, w)` with a shape for x alone
    After:  the same with a shape for y
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        before = [(value, value.dtype, value.shape) for value in values(model)]
        declared = [value.shape for value in model.graph.outputs]
        infer_types(model, follow_values=False)
        if any(is_op(node, "Shape") for node in nodes(model)) and integers_are_short(model):
            for value, _, shape in before:
                value.shape = shape  # onnx names no dimensions that are declared as unknown
            infer_types(model, follow_values=True)
        for value, shape in zip(model.graph.outputs, declared, strict=True):
            value.shape = _declared(shape, value.shape)
        changed = (value.dtype != dtype or (value.shape is not shape and value.shape != shape) for value, dtype, shape in before)
        return ir.passes.PassResult(model, modified=any(changed))


def _declared(declared: ir.Shape | None, inferred: ir.Shape | None) -> ir.Shape | None:
    """The shape of a graph output: as it is declared, but with the sizes that are known by now.

    Exporters give names to sizes that follow from the inputs ([N, ch, h, w] after a global pool).
    """
    if declared is None or inferred is None or len(declared) != len(inferred):
        return inferred if declared is None else declared
    pairs = zip(declared, inferred, strict=True)
    return ir.Shape([theirs if isinstance(theirs, int) and not isinstance(mine, int) else mine for mine, theirs in pairs])
