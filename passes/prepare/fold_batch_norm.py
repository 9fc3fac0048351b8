"""Fold BatchNormalization into the weights of the operator before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from edgeq.graph.affine import batch_norm_affine, fold_after
from edgeq.graph.edit import Names, retire, take_over
from edgeq.graph.patterns.behind_moves import layer_behind_moves
from edgeq.graph.read import nodes


@dataclass(frozen=True)
class FoldBatchNorm(ir.passes.InPlacePass):
    """Fold the scale and shift per channel of a BatchNormalization with constant statistics.

    Only after a Conv, ConvTranspose, Gemm or MatMul (with or without the Add of its bias) that has
    constant weights and that nothing else reads. A Transpose, a Reshape and the like may lie
    between that leave the channels on axis 1.

    Before: `y = Conv(x, w, b)`, `z = BatchNormalization(y, gamma, beta, mean, var)`
    After:  `z = Conv(x, w * scale, b * scale + shift)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("BatchNormalization",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [_fold(model, node, names) for node in list(nodes(model)) if node.op_type == "BatchNormalization"]
        return ir.passes.PassResult(model, modified=any(changed))


def _fold(model: ir.Model, node: ir.Node, names: Names) -> bool:
    affine, found = batch_norm_affine(node), layer_behind_moves(node.inputs[0])
    if affine is None or found is None or found.axis != 1 or affine.scale.size != found.layer.channels:
        return False
    if not fold_after(found.layer, affine, names):
        return False
    take_over(node.outputs[0], found.value)
    retire(model, node, f"folded into {found.layer.node.name}")
    return True
