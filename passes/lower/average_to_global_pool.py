"""Turn an AveragePool over the whole image into GlobalAveragePool, which has better kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.read import attribute_int, attribute_ints, dim, is_op, nodes, rank


@dataclass(frozen=True)
class AverageToGlobalPool(ir.passes.InPlacePass):
    """Rename an AveragePool whose kernel covers its whole input.

    Before:  y = AveragePool <kernel_shape = [7, 5]> (x)    x: [N, C, 7, 5]
    After:   y = GlobalAveragePool(x)
    """

    only_for: ClassVar[tuple[str, ...]] = ("AveragePool",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in nodes(model) if is_op(node, "AveragePool") and covers(node)]
        for node in found:
            node.op_type = "GlobalAveragePool"
            node.attributes.clear()
        return ir.passes.PassResult(model, modified=bool(found))


def covers(node: ir.Node) -> bool:
    """Whether an AveragePool has one window: its whole input, without padding."""
    kernel, source = attribute_ints(node, "kernel_shape"), node.inputs[0]
    if kernel is None or rank(source) != len(kernel) + 2 or any(attribute_ints(node, "pads") or ()):
        return False
    if any(d != 1 for d in attribute_ints(node, "dilations") or ()) or attribute_int(node, "ceil_mode", 0):
        return False
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    return all(dim(source, axis) == size for axis, size in enumerate(kernel, start=2))
