"""Compute the codes of constants that a QuantizeLinear quantizes at run time."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names, add_constant, drop_unread_constants
from edgeq.graph.read import constant, is_op, nodes, owner
from edgeq.numerics.grid import quantize


@dataclass(frozen=True)
class FoldQuantized(ir.passes.InPlacePass):
    """Replace the QuantizeLinear of a float constant by its codes.

    Before:  q = QuantizeLinear(w, s, z)   f = DequantizeLinear(q, s, z)   w: float
    After:   f = DequantizeLinear(q, s, z)                                 q: int8

    Tools for training write weights so, which stay float in their files.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        folded = [_fold(node, names) for node in list(nodes(model)) if is_op(node, "QuantizeLinear")]
        if any(folded):
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified=any(folded))


def _fold(node: ir.Node, names: Names) -> bool:
    array, grid, result = constant(node.inputs[0]), grid_of(node), node.outputs[0]
    if array is None or array.dtype.kind != "f" or grid is None or result.is_graph_output():
        return False
    codes = add_constant(owner(node), quantize(array, grid), names.value(f"{result.name}_folded"))
    result.replace_all_uses_with(codes)
    owner(node).remove(node, safe=True)
    return True
