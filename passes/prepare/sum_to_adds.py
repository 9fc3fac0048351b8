"""Write a Sum as Adds, which have an integer kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.edit import Names, add_node
from edgeq.graph.read import is_op, nodes


@dataclass(frozen=True)
class SumToAdds(ir.passes.InPlacePass):
    """Replace a Sum of two and more values by Adds, from the first value to the last.

    No target has an integer kernel for Sum. The last Add keeps the node's name.

    Before: `y = Sum(a, b, c)`
    After:  `d = Add(a, b)`, `y = Add(d, c)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("Sum",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if is_op(node, "Sum") and len(node.inputs) > 1]
        for node in found:
            _split(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _split(node: ir.Node, names: Names) -> None:
    so_far, *others = node.inputs
    for value in others[:-1]:
        name, output = names.node(f"{node.name}_part"), names.value(f"{node.outputs[0].name}_part")
        so_far = add_node(node, "Add", [so_far, value], name=name, output=output)
        so_far.type = node.outputs[0].type  # its shape, where the values are broadcast, is inferred
    node.op_type = "Add"
    node.resize_inputs(2)
    node.replace_input_with(0, so_far)
    node.replace_input_with(1, others[-1])
