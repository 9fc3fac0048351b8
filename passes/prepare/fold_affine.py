"""Fold multiplications and additions by constants into the weights of the operator before them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.affine import elementwise_affine, fold_after
from edgeq.graph.edit import Names, retire, take_over
from edgeq.graph.patterns.behind_moves import layer_behind_moves
from edgeq.graph.read import is_op, nodes


@dataclass(frozen=True)
class FoldAffine(ir.passes.InPlacePass):
    """Fold Mul, Div, Add or Sub with one constant per channel into the linear operator before it.

    Nothing else may read the linear operator. The Add of a MatMul's bias may lie between the two,
    and so may a Transpose, a Reshape and the like that keep the channels on an axis of their own.
    An Add right after a MatMul stays, because it is the MatMul's bias.

    Before: `a = Gemm(x, w, b)`, `c = Mul(a, s)`, `y = Add(c, t)`
    After:  `y = Gemm(x, w * s, b * s + t)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [_fold(model, node, names) for node in list(nodes(model)) if is_op(node, "Mul", "Div", "Add", "Sub")]
        return ir.passes.PassResult(model, modified=any(changed))


def _fold(model: ir.Model, node: ir.Node, names: Names) -> bool:
    for data in (0, 1):
        found = layer_behind_moves(node.inputs[data])
        if found is None:
            continue
        linear = found.layer
        affine = elementwise_affine(node, data, found.rank, found.axis, linear.channels)
        if affine is None:
            continue
        is_bias = linear.node.op_type == "MatMul" and linear.bias_add is None and linear.rank != 2
        if is_bias and affine.shift.any():
            return False
        if fold_after(linear, affine, names):
            take_over(node.outputs[0], found.value)
            retire(model, node, f"folded into {linear.node.name}")
            return True
    return False
