"""Recognize HardSwish in its decomposed forms and make it one node until the target decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import retire
from edgeq.graph.read import attribute_float, is_op, nodes, only_consumer, scalar

#: the x of a part of a HardSwish, and the nodes that compute the part, in the order of removal
Match = tuple[ir.Value, list[ir.Node]]


@dataclass(frozen=True)
class FuseHardSwish(ir.passes.InPlacePass):
    """Replace x * clip(x + 3, 0, 6) / 6 by HardSwish, which exists from opset 14 on.

    1. x * HardSigmoid<alpha=1/6, beta=1/2>(x)
    2. x * (clip(x + 3, 0, 6) / 6), or with * 1/6
    3. (x * clip(x + 3, 0, 6)) / 6, or with * 1/6

    Before: `h = HardSigmoid<alpha=0.1666667, beta=0.5>(x)`, `y = Mul(x, h)`
    After:  `y = HardSwish(x)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if model.opset_imports.get("", 0) < 14:
            return ir.passes.PassResult(model, modified=False)
        changed = False
        for node in list(nodes(model)):
            found = match_hardswish(node)
            if found is not None:
                _replace(model, node, *found)
                changed = True
        return ir.passes.PassResult(model, modified=changed)


def match_hardswish(node: ir.Node) -> Match | None:
    """The x of a HardSwish that ends in `node`, and its other nodes in the order of removal."""
    scaled = _sixth(node)
    if scaled is not None:  # case 3
        product = _maker(scaled, "Mul")
        gate = None if product is None else _gated(product, _relu6_of_x_plus_3)
        return None if product is None or gate is None else (gate[0], [product, *gate[1]])
    return _gated(node, _hard_sigmoid) if is_op(node, "Mul") else None  # cases 1 and 2


def _gated(product: ir.Node, gate: Callable[[ir.Value], Match | None]) -> Match | None:
    for index in (0, 1):
        x, side = product.inputs[index], product.inputs[1 - index]
        found = None if side is None else gate(side)
        if x is not None and found is not None and found[0] is x:
            return found
    return None


def _hard_sigmoid(value: ir.Value) -> Match | None:
    """x, and the nodes that compute it, when the value is clip(x + 3, 0, 6) / 6."""
    node = _maker(value, "HardSigmoid", "Div", "Mul")
    if node is None:
        return None
    if node.op_type == "HardSigmoid":
        fits = np.isclose(attribute_float(node, "alpha", 0.2), 1 / 6, atol=1e-4) and np.isclose(attribute_float(node, "beta", 0.5), 0.5)
        return (node.inputs[0], [node]) if fits and node.inputs[0] is not None else None
    inner = _sixth(node)
    found = None if inner is None else _relu6_of_x_plus_3(inner)
    return None if found is None else (found[0], [node, *found[1]])


def _relu6_of_x_plus_3(value: ir.Value) -> Match | None:
    clip = _maker(value, "Clip")
    if clip is None or not _is_relu6(clip):
        return None
    add = _maker(clip.inputs[0], "Add")
    if add is None:
        return None
    for index in (0, 1):
        x = add.inputs[index]
        if x is not None and _is_number(add.inputs[1 - index], 3.0):
            return x, [clip, add]
    return None


def _is_relu6(clip: ir.Node) -> bool:
    if len(clip.inputs) == 1:  # opset 10 and older, where the bounds are attributes: prepare looks before it converts
        return attribute_float(clip, "min", -np.inf) == 0.0 and attribute_float(clip, "max", np.inf) == 6.0
    return len(clip.inputs) == 3 and _is_number(clip.inputs[1], 0.0) and _is_number(clip.inputs[2], 6.0)


def _sixth(node: ir.Node) -> ir.Value | None:
    """v when the node is v / 6 or v * (1/6)."""
    if is_op(node, "Div") and _is_number(node.inputs[1], 6.0):
        return node.inputs[0]
    if is_op(node, "Mul"):
        for index in (0, 1):
            if _is_number(node.inputs[index], 1 / 6):
                return node.inputs[1 - index]
    return None


def _maker(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that makes the value, if it has one of these types and is read once."""
    node = None if value is None else value.producer()
    return node if value is not None and is_op(node, *op_types) and only_consumer(value) is not None else None


def _is_number(value: ir.Value | None, wanted: float) -> bool:
    number = scalar(value)
    return number is not None and bool(np.isclose(number, wanted, atol=1e-4))


def _replace(model: ir.Model, node: ir.Node, x: ir.Value, inner: list[ir.Node]) -> None:
    node.op_type = "HardSwish"
    node.attributes.clear()
    node.resize_inputs(1)
    node.replace_input_with(0, x)
    for other in inner:
        retire(model, other, f"merged into {node.name}")
