"""Read a value of 8 bits in 16, or of 16 in 8: a second pair behind its own, for some readers."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import is_op, nodes, owner
from edgeq.numerics.grid import QuantParams
from edgeq.passes.quantize.qdq import grid_constants, qdq_node


@dataclass(frozen=True)
class InsertBorders(ir.passes.InPlacePass):
    """Requantize the named values for the readers that have another width.

    Before:  y_dequantized = DequantizeLinear(QuantizeLinear(y, s, z), s, z)
             a = Conv(y_dequantized, w)   b = Softmax(y_dequantized)
    After:   y_border = DequantizeLinear(QuantizeLinear(y_dequantized, t, u), t, u)
             a = Conv(y_dequantized, w)   b = Softmax(y_border)

    It runs behind InsertQdq; a value without a pair is left as it is.
    """

    #: value name -> the grid of its border
    grids: Mapping[str, QuantParams]
    #: value name -> names of the nodes that read it there
    readers: Mapping[str, Set[str]]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [(name, node) for node in list(nodes(model)) if (name := _pair_of(node)) in self.grids]
        modified = False
        for name, pair in found:
            modified |= self._insert(name, pair, names)
        return ir.passes.PassResult(model, modified)

    def _insert(self, name: str, pair: ir.Node, names: Names) -> bool:
        value, graph = pair.outputs[0], owner(pair)
        uses = [(node, index) for node, index in value.uses() if node.name in self.readers.get(name, ())]
        if not uses:
            return False
        scale, zero = grid_constants(graph, self.grids[name], f"{name}_border", names)
        down = qdq_node(
            "QuantizeLinear", value, scale, zero, None, names.node(f"{name}_border_QuantizeLinear"), names.value(f"{name}_border_quantized")
        )
        up = qdq_node(
            "DequantizeLinear",
            down.outputs[0],
            scale,
            zero,
            None,
            names.node(f"{name}_border_DequantizeLinear"),
            names.value(f"{name}_border"),
        )
        graph.insert_after(pair, (down, up))
        for node, index in uses:
            node.replace_input_with(index, up.outputs[0])
        return True


def _pair_of(node: ir.Node) -> str:
    """The name of the value whose own pair ends in this node; empty: it is no such end."""
    down = node.inputs[0].producer() if is_op(node, "DequantizeLinear") and node.inputs[0] is not None else None
    if down is None or not is_op(down, "QuantizeLinear") or down.inputs[0] is None or is_op(down.inputs[0].producer(), "DequantizeLinear"):
        return ""  # a border is no pair of its own
    # the dequantized form of a graph output has taken over its name
    return str(node.outputs[0].name if node.outputs[0].is_graph_output() else down.inputs[0].name)
