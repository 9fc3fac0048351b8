"""Write Div as Mul, for targets that multiply in integers and have no integer division."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import constant, is_op, nodes, owner


@dataclass(frozen=True)
class SplitDivision(ir.passes.InPlacePass):
    """Write a quotient of floats as a product with a reciprocal.

    Before:  y = Div(x, c)               z = Div(x, d)
    After:   y = Mul(x, 1 / c)           r = Reciprocal(d)   z = Mul(x, r)

    c is a constant whose reciprocals are finite. A 1 divided by d becomes the Reciprocal alone.
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("Div",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [n for n in nodes(model) if is_op(n, "Div") and n.name not in self.keep and _is_float(n)]
        for node in found:
            _split(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _is_float(node: ir.Node) -> bool:
    return all(value is not None and value.dtype == ir.DataType.FLOAT for value in node.inputs)


def _split(node: ir.Node, names: Names) -> None:
    divisor, dividend = node.inputs[1], constant(node.inputs[0])
    assert divisor is not None
    array = constant(divisor)
    if array is not None and np.all(np.abs(array) > np.finfo(np.float32).tiny):
        inverse = add_constant(owner(node), np.asarray(1 / array.astype(np.float64), np.float32), names.value(f"{node.name}_factor"))
    elif dividend is not None and dividend.size == 1 and dividend.ndim == 0 and float(dividend) == 1.0:
        node.op_type = "Reciprocal"
        node.replace_input_with(0, divisor)
        node.resize_inputs(1)
        return
    else:
        name, output = names.node(f"{node.name}_Reciprocal"), names.value(f"{node.name}_reciprocal")
        inverse = add_node(node, "Reciprocal", [divisor], name=name, output=output)
        inverse.shape, inverse.type = divisor.shape, divisor.type
    node.op_type = "Mul"
    node.replace_input_with(1, inverse)
