"""Write PRelu as operators with integer kernels, for targets that have nothing else for it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import constant, is_op, nodes, owner


@dataclass(frozen=True)
class SplitPRelu(ir.passes.InPlacePass):
    """Write max(x, 0) + s min(x, 0), of which one term is always 0, for constant slopes s.

    Before:  y = PRelu(x, s)
    After:   p = Relu(x)   n = Clip(x, , 0)   m = Mul(n, s)   y = Add(p, m)

    The float numbers stay the same. Both halves are bounds on the codes of x.
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("PRelu",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [
            node for node in nodes(model) if is_op(node, "PRelu") and node.name not in self.keep and constant(node.inputs[1]) is not None
        ]
        for node in found:
            _split(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _split(node: ir.Node, names: Names) -> None:
    source, slope, out = node.inputs[0], node.inputs[1], node.outputs[0].name
    assert source is not None and source.dtype is not None
    zero = add_constant(owner(node), np.zeros((), source.dtype.numpy()), names.value(f"{node.name}_zero"))
    above = add_node(node, "Relu", [source], name=names.node(f"{node.name}_Relu"), output=names.value(f"{out}_above"))
    below = add_node(node, "Clip", [source, None, zero], name=names.node(f"{node.name}_Clip"), output=names.value(f"{out}_below"))
    scaled = add_node(node, "Mul", [below, slope], name=names.node(f"{node.name}_Mul"), output=names.value(f"{out}_scaled"))
    for value in (above, below, scaled):
        value.shape, value.type = source.shape, source.type
    node.op_type = "Add"
    node.replace_input_with(0, above)
    node.replace_input_with(1, scaled)
