"""Let readers of one value that quantize it alike share one QuantizeLinear."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.read import is_op, nodes, owner, values
from edgeq.numerics.grid import QuantParams


@dataclass(frozen=True)
class OneQuantizer(ir.passes.InPlacePass):
    """Merge the QuantizeLinear nodes of a value that have equal grids.

    Before:  a = QuantizeLinear(x, s, z)   b = QuantizeLinear(x, t, u)   with s = t and z = u
    After:   a = QuantizeLinear(x, s, z)                                 readers of b read a

    Tools that give each operator pairs of its own write a value with several readers so.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        order = {node: place for place, node in enumerate(nodes(model))}
        merged = [_merge(value, order) for value in list(values(model))]
        return ir.passes.PassResult(model, modified=any(merged))


def quantizers(value: ir.Value) -> list[ir.Node]:
    """The QuantizeLinear nodes with a constant grid that read the value."""
    found = dict.fromkeys(use.node for use in value.uses() if use.idx == 0 and is_op(use.node, "QuantizeLinear"))
    return [node for node in found if grid_of(node) is not None]


def _merge(value: ir.Value, order: dict[ir.Node, int]) -> bool:
    kept: list[tuple[QuantParams, ir.Node]] = []
    merged = False
    for node in sorted(quantizers(value), key=order.__getitem__):
        grid, result = grid_of(node), node.outputs[0]
        assert grid is not None  # quantizers() has looked
        first = next((other for like, other in kept if like == grid and owner(other) is owner(node)), None)
        if first is None or result.is_graph_output():
            kept.append((grid, node))
            continue
        result.replace_all_uses_with(first.outputs[0])
        owner(node).remove(node, safe=True)
        merged = True
    return merged
