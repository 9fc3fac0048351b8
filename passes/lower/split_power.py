"""Write Pow with a small constant exponent as products, roots and reciprocals."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.edit import Names, add_node
from edgeq.graph.read import is_op, nodes, scalar

#: exponents that have another form
_EXPONENTS = (2.0, 3.0, 0.5, -0.5, -1.0)


@dataclass(frozen=True)
class SplitPower(ir.passes.InPlacePass):
    """Write the powers that functions of one number and products can express.

    Before:  y = Pow(x, 2)     z = Pow(x, -0.5)
    After:   y = Mul(x, x)     s = Sqrt(x)   z = Reciprocal(s)

    The exponents 3, 0.5 and -1 likewise; a node with another exponent stays unchanged.
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("Pow",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        modified = False
        for node in [n for n in nodes(model) if is_op(n, "Pow") and n.name not in self.keep]:
            base, exponent = node.inputs[0], scalar(node.inputs[1])
            if exponent in _EXPONENTS and base is not None and base.dtype == ir.DataType.FLOAT and _keeps_shape(node):
                _split(node, base, float(exponent or 0), names)
                modified = True
        return ir.passes.PassResult(model, modified)


def _keeps_shape(node: ir.Node) -> bool:
    """Whether the exponent, which may be an array of one element, gives the result no more axes."""
    base, exponent = node.inputs[0], node.inputs[1]
    if base is None or exponent is None or exponent.shape is None:
        return False
    return len(exponent.shape) == 0 or (base.shape is not None and len(exponent.shape) <= len(base.shape))


def _split(node: ir.Node, base: ir.Value, exponent: float, names: Names) -> None:
    if exponent in (2.0, 3.0):
        first = base if exponent == 2.0 else _before(node, "Mul", [base, base], "square", names)
        node.op_type = "Mul"
        node.replace_input_with(0, first)
        node.replace_input_with(1, base)
        return
    root = _before(node, "Sqrt", [base], "root", names) if exponent == -0.5 else base
    node.op_type = "Sqrt" if exponent == 0.5 else "Reciprocal"
    node.replace_input_with(0, root)
    node.resize_inputs(1)


def _before(node: ir.Node, op_type: str, inputs: list[ir.Value | None], word: str, names: Names) -> ir.Value:
    made = add_node(node, op_type, inputs, name=names.node(f"{node.name}_{op_type}"), output=names.value(f"{node.name}_{word}"))
    assert inputs[0] is not None
    made.shape, made.type = inputs[0].shape, inputs[0].type
    return made
