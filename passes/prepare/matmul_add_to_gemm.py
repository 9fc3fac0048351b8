"""Turn a MatMul with constant weights and the Add of its bias into one Gemm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import linear_behind, per_channel
from edgeq.graph.edit import Names, replace_constant, retire, take_over
from edgeq.graph.read import constant, is_op, nodes


@dataclass(frozen=True)
class MatMulAddToGemm(ir.passes.InPlacePass):
    """Merge MatMul and Add into Gemm, whose integer kernel has a 32-bit bias.

    Between a MatMul and an Add the values would be rounded to 8 bits. Only for rank 2, as Gemm
    requires.

    Before: `y = MatMul(x, w)`, `z = Add(y, b)`
    After:  `z = Gemm(x, w, b)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("MatMul",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [_merge(model, node, names) for node in list(nodes(model)) if is_op(node, "Add")]
        return ir.passes.PassResult(model, modified=any(changed))


def _merge(model: ir.Model, add: ir.Node, names: Names) -> bool:
    for index in (0, 1):
        linear, bias = linear_behind(add.inputs[index]), constant(add.inputs[1 - index])
        if linear is None or bias is None or linear.node.op_type != "MatMul" or linear.bias_add is not None or linear.rank != 2:
            continue
        vector = per_channel(bias, 2, 1, linear.channels)
        if vector is None:
            continue
        linear.node.op_type = "Gemm"
        linear.node.resize_inputs(3)
        if bias.shape == vector.shape:
            linear.node.replace_input_with(2, add.inputs[1 - index])
        else:
            replace_constant(linear.node, 2, np.asarray(vector, bias.dtype), names)
        take_over(add.outputs[0], linear.out)
        retire(model, add, f"merged into {linear.node.name}")
        return True
    return False
