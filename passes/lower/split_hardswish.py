"""Write HardSwish as HardSigmoid and Mul, for targets with integer kernels only for these."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.edit import Names, add_node
from edgeq.graph.read import is_op, nodes


@dataclass(frozen=True)
class SplitHardSwish(ir.passes.InPlacePass):
    """Write x * max(0, min(1, x / 6 + 1 / 2)) as a product.

    Before:  y = HardSwish(x)
    After:   h = HardSigmoid <alpha = 1/6, beta = 1/2> (x)   y = Mul(x, h)
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("HardSwish",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if is_op(node, "HardSwish") and node.name not in self.keep]
        for node in found:
            source = node.inputs[0]
            slope = {"alpha": ir.AttrFloat32("alpha", 1 / 6), "beta": ir.AttrFloat32("beta", 0.5)}
            name, output = names.node(f"{node.name}_HardSigmoid"), names.value(f"{node.outputs[0].name}_gate")
            gate = add_node(node, "HardSigmoid", [source], name=name, output=output, attributes=slope)
            if source is not None:
                gate.shape, gate.type = source.shape, source.type
            node.op_type = "Mul"
            node.resize_inputs(2)
            node.replace_input_with(1, gate)
        return ir.passes.PassResult(model, modified=bool(found))
