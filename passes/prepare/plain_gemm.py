"""Give every Gemm the one form that integer kernels have: x * weight + bias per output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import per_channel
from edgeq.graph.edit import Names, add_node, replace_constant
from edgeq.graph.read import attribute_float, attribute_int, constant, is_op, nodes, owner
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class PlainGemm(ir.passes.InPlacePass):
    """Take factors, a transposed input and what is no bias out of Gemm.

    1. A constant weight takes up alpha, and a constant bias beta.
    2. An input that Gemm transposes is transposed by a node of its own.
    3. A third input that is computed, or not one number per output, is added behind.

    Before: `y = Gemm<alpha = 0.5, transA = 1>(x, w, c)`
    After:  `t = Transpose(x)`, `p = Gemm(t, 0.5 w)`, `y = Add(p, c)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("Gemm",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = False
        for node in list(nodes(model)):
            if is_op(node, "Gemm") and constant(node.inputs[1]) is not None:
                changed |= any(
                    [_factor(node, "alpha", 1, names), _factor(node, "beta", 2, names), _transposed(node, names), _added(node, names)]
                )
        return ir.passes.PassResult(model, modified=changed)


def _factor(node: ir.Node, name: str, index: int, names: Names) -> bool:
    """Case 1."""
    factor = attribute_float(node, name, 1.0)
    value = node.inputs[index] if index < len(node.inputs) else None
    array = constant(value)
    if factor == 1.0 or (value is not None and array is None):
        return False
    if array is not None:
        scaled = _scaled(array, factor)
        if scaled is None:
            return False
        replace_constant(node, index, scaled, names)
    node.attributes.pop(name)
    return True


def _scaled(array: AnyArray, factor: float) -> AnyArray | None:
    """The array times the factor, in its own type; None where that overflows."""
    with np.errstate(over="ignore"):
        scaled = np.asarray((array.astype(np.float64) * factor).astype(array.dtype))
    return scaled if array.dtype.kind == "f" and np.isfinite(scaled).all() else None


def _transposed(node: ir.Node, names: Names) -> bool:
    """Case 2."""
    source = node.inputs[0]
    if source is None or not attribute_int(node, "transA", 0):
        return False
    perm = {"perm": ir.AttrInt64s("perm", [1, 0])}
    made = add_node(
        node,
        "Transpose",
        [source],
        name=names.node(f"{node.name}_transpose"),
        output=names.value(f"{source.name}_transposed"),
        attributes=perm,
    )
    made.type = source.type
    made.shape = None if source.shape is None else ir.Shape(list(reversed(list(source.shape))))
    node.replace_input_with(0, made)
    node.attributes.pop("transA")
    return True


def _added(node: ir.Node, names: Names) -> bool:
    """Case 3."""
    extra = node.inputs[2] if len(node.inputs) > 2 else None
    if extra is None or attribute_float(node, "beta", 1.0) != 1.0:
        return False
    weight, array = constant(node.inputs[1]), constant(extra)
    assert weight is not None
    channels = weight.shape[0 if attribute_int(node, "transB", 0) else 1]
    if array is not None and per_channel(array, 2, 1, channels) is not None:
        return False
    out = node.outputs[0]
    product = ir.Value(name=names.value(f"{out.name}_product"), type=out.type, shape=out.shape)
    name, node.name = node.name, None
    gemm = ir.Node("", "Gemm", node.inputs[:2], node.attributes.values(), outputs=[product], name=name)
    owner(node).insert_before(node, gemm)
    node.op_type, node.name = "Add", names.node(f"{name}_add")
    node.attributes.clear()
    node.resize_inputs(2)
    node.replace_input_with(0, product)
    node.replace_input_with(1, extra)
    return True
