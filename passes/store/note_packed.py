"""Note in a quantized model that its .tflite file stores weights of 4 bits as INT4.

It runs last, for targets whose runtime has kernels for such weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import constant, is_op, nodes, operator_of
from edgeq.numerics.nibbles import fits
from edgeq.passes.prepare.fold_constants import FoldConstants
from edgeq.schema.origins import PACKED_KEY


@dataclass(frozen=True)
class NotePacked(ir.passes.InPlacePass):
    """Before: a layer reads a DequantizeLinear of a weight whose codes are all in -8..7. After: the
    metadata of the model say so.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = _any_fits(model)
        if not found and any(_codes_of(node) is not None and constant(_codes_of(node)) is None for node in _layers(model)):
            plain = model.clone()  # weights in number formats are computed of their bits
            FoldConstants(grow=True)(plain)
            found = _any_fits(plain)
        modified = found and PACKED_KEY not in model.metadata_props
        if modified:
            model.metadata_props[PACKED_KEY] = "int4"
        return ir.passes.PassResult(model, modified)


def _layers(model: ir.Model) -> Iterator[ir.Node]:
    return (node for node in nodes(model) if operator_of(node).layer)


def _any_fits(model: ir.Model) -> bool:
    found = (constant(_codes_of(node)) for node in _layers(model))
    return any(codes is not None and fits(codes) for codes in found)


def _codes_of(node: ir.Node) -> ir.Value | None:
    """The codes of a layer's weight; None where it is not dequantized."""
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    maker = None if weight is None else weight.producer()
    return maker.inputs[0] if maker is not None and is_op(maker, "DequantizeLinear") else None
