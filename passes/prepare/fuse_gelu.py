"""Recognize the tanh form of GELU, in any order of its products, and make it one node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import retire
from edgeq.graph.read import constant, is_op, nodes, only_consumer, scalar

#: the first opset with Gelu
OPSET = 20
#: tanh's argument sqrt(2 / pi) * (x + 0.044715 x^3), as coefficients of x, x^2, x^3 (Hendrycks and
#: Gimpel, arXiv:1606.08415)
_CUBIC = np.sqrt(2 / np.pi) * np.array([1.0, 0.0, 0.044715])
#: the highest power, and the largest number of nested operators, that the search follows
_DEGREE, _DEPTH = 3, 6

#: coefficients of 1, x, x^2, x^3
Polynomial = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class FuseGelu(ir.passes.InPlacePass):
    """Replace 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) by Gelu (from opset 20 on).

    Before: `u = Mul(x, x)`, `c = Mul(u, x)`, `k = Mul(c, 0.044715)`, `a = Add(x, k)`,
            `b = Mul(a, 0.7978846)`, `t = Tanh(b)`, `p = Add(t, 1)`, `m = Mul(x, p)`,
            `y = Mul(m, 0.5)`
    After:  `y = Gelu<approximate = "tanh">(x)`

    The runtime recognizes some orders of these nodes and runs the others one by one.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if model.opset_imports.get("", 0) < OPSET:
            return ir.passes.PassResult(model, modified=False)
        changed = False
        for node in [n for n in nodes(model) if is_op(n, "Tanh")]:
            found = match_gelu(node)
            if found is not None:
                _replace(model, *found)
                changed = True
        return ir.passes.PassResult(model, modified=changed)


def match_gelu(tanh: ir.Node) -> tuple[ir.Value, ir.Node] | None:
    """x, and the node that makes GELU(x); None unless the Tanh is part of a GELU."""
    if not is_op(tanh, "Tanh"):
        return None
    for x in _candidates(tanh.inputs[0], _DEPTH):
        inner = _polynomial(tanh.inputs[0], x, _DEPTH)
        if inner is not None and inner[0] == 0 and np.allclose(inner[1:], _CUBIC, rtol=1e-4, atol=1e-7):
            last = _last(tanh, x)
            return None if last is None else (x, last)
    return None


def _candidates(value: ir.Value | None, depth: int) -> Iterator[ir.Value]:
    """The values that tanh's argument is computed from, nearest first in each branch."""
    node = None if value is None else value.producer()
    if node is None or depth == 0 or not is_op(node, "Mul", "Add", "Pow"):
        return
    for source in node.inputs:
        if source is not None and constant(source) is None:
            yield source
            yield from _candidates(source, depth - 1)


def _polynomial(value: ir.Value | None, x: ir.Value, depth: int) -> Polynomial | None:
    """The value as a polynomial in x; None where it is none of the followed degree."""
    if value is x:
        return np.array([0.0, 1.0, 0.0, 0.0])
    number = scalar(value)
    if number is not None:
        return np.array([number, 0.0, 0.0, 0.0])
    node = None if value is None else value.producer()
    if node is None or depth == 0 or not is_op(node, "Mul", "Add", "Pow"):
        return None
    first = _polynomial(node.inputs[0], x, depth - 1)
    if node.op_type == "Pow":
        power = scalar(node.inputs[1])
        return _product(first, _product(first, first)) if power == 3 else _product(first, first) if power == 2 else None
    second = _polynomial(node.inputs[1], x, depth - 1)
    if node.op_type == "Add":
        return None if first is None or second is None else first + second
    return _product(first, second)


def _product(first: Polynomial | None, second: Polynomial | None) -> Polynomial | None:
    if first is None or second is None:
        return None
    product = np.convolve(first, second)
    return None if product[_DEGREE + 1 :].any() else product[: _DEGREE + 1]


def _last(tanh: ir.Node, x: ir.Value) -> ir.Node | None:
    """The Mul after which (1 + tanh) has been multiplied by x / 2 and by nothing else."""
    plus = only_consumer(tanh.outputs[0])
    if plus is None or not is_op(plus, "Add") or 1.0 not in (scalar(plus.inputs[0]), scalar(plus.inputs[1])):
        return None
    node, factor = plus, np.array([1.0, 0.0, 0.0, 0.0])
    while True:
        made = node.outputs[0]
        reader = only_consumer(made)
        if reader is None or not is_op(reader, "Mul"):
            return None
        product = _product(factor, _polynomial(reader.inputs[1 if reader.inputs[0] is made else 0], x, 2))
        if product is None:
            return None
        node, factor = reader, product
        if np.allclose(factor, [0.0, 0.5, 0.0, 0.0], atol=1e-6):
            return node


def _replace(model: ir.Model, x: ir.Value, last: ir.Node) -> None:
    behind = [value.producer() for value in last.inputs if value is not None and value is not x]
    last.op_type = "Gelu"
    last.attributes.clear()
    last.attributes["approximate"] = ir.AttrString("approximate", "tanh")
    last.resize_inputs(1)
    last.replace_input_with(0, x)
    while behind:
        node = behind.pop()
        if node is None or node.graph is None or not is_op(node, "Mul", "Add", "Pow", "Tanh") or node.outputs[0].uses():
            continue
        behind += [value.producer() for value in node.inputs if value is not None and value is not x]
        retire(model, node, f"merged into {last.name}")
