"""Fold BatchNormalization into the weights of the operator before it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.affine import batch_norm_affine, fold_after, linear_behind
from edgeq.graph.edit import Names, retire, take_over
from edgeq.graph.read import nodes


@dataclass(frozen=True)
class FoldBatchNorm(ir.passes.InPlacePass):
    """Fold the scale and shift per channel of a BatchNormalization with constant statistics.

    Only after a Conv, ConvTranspose, Gemm or MatMul (with or without the Add of its bias) that has
    constant weights and that nothing else reads.

    Before: `y = Conv(x, w, b)`, `z = BatchNormalization(y, gamma, beta, mean, var)`
    After:  `z = Conv(x, w * scale, b * scale + shift)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [_fold(model, node, names) for node in list(nodes(model)) if node.op_type == "BatchNormalization"]
        return ir.passes.PassResult(model, modified=any(changed))


def _fold(model: ir.Model, node: ir.Node, names: Names) -> bool:
    affine, linear = batch_norm_affine(node), linear_behind(node.inputs[0])
    if affine is None or linear is None or affine.scale.size != linear.channels:
        return False
    if linear.node.op_type == "MatMul" and linear.rank != 2:  # its channels are on the last axis, BatchNormalization's on axis 1
        return False
    if not fold_after(linear, affine, names):
        return False
    take_over(node.outputs[0], linear.out)
    retire(model, node, f"folded into {linear.node.name}")
    return True
