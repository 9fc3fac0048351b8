"""Write HardSigmoid as Add, Clip and Mul, for targets with integer kernels only for these."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import attribute_float, is_op, nodes, owner


@dataclass(frozen=True)
class SplitHardSigmoid(ir.passes.InPlacePass):
    """Write max(0, min(1, alpha x + beta)) as alpha * clip(x + beta / alpha, 0, 1 / alpha).

    Before:  y = HardSigmoid <alpha, beta> (x)
    After:   t = Add(x, beta / alpha)   c = Clip(t, 0, 1 / alpha)   y = Mul(c, alpha)

    The Clip is absorbed by the output grid of the Add, and the Mul changes only the scale of the
    codes. A node with alpha <= 0 or beta < 0 stays unchanged.
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("HardSigmoid",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [n for n in nodes(model) if is_op(n, "HardSigmoid") and n.name not in self.keep and _splits(n)]
        for node in found:
            _split(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _slope(node: ir.Node) -> tuple[float, float]:
    return attribute_float(node, "alpha", 0.2), attribute_float(node, "beta", 0.5)


def _splits(node: ir.Node) -> bool:
    alpha, beta = _slope(node)
    source = node.inputs[0]
    return alpha > 0 and beta >= 0 and source is not None and source.dtype == ir.DataType.FLOAT


def _split(node: ir.Node, names: Names) -> None:
    alpha, beta = _slope(node)
    graph, source = owner(node), node.inputs[0]
    assert source is not None
    stem = node.name

    def number(value: float, word: str) -> ir.Value:
        return add_constant(graph, np.array(value, np.float32), names.value(f"{stem}_{word}"))

    shifted = add_node(
        node, "Add", [source, number(beta / alpha, "shift")], name=names.node(f"{stem}_Add"), output=names.value(f"{stem}_shifted")
    )
    bounds: list[ir.Value | None] = [shifted, number(0.0, "min"), number(1 / alpha, "max")]
    cut = add_node(node, "Clip", bounds, name=names.node(f"{stem}_Clip"), output=names.value(f"{stem}_cut"))
    for value in (shifted, cut):
        value.shape, value.type = source.shape, source.type
    node.op_type = "Mul"
    node.attributes.clear()
    node.resize_inputs(2)
    node.replace_input_with(0, cut)
    node.replace_input_with(1, number(alpha, "slope"))
