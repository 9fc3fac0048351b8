"""Replace a BatchNormalization that folds into no neighbour by operators with integer kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import batch_norm_affine
from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import nodes, owner, rank


@dataclass(frozen=True)
class LowerBatchNorm(ir.passes.InPlacePass):
    """Replace BatchNormalization by a depthwise Conv, or by Mul and Add.

    After Concat or Relu, or where the value is read twice, it cannot fold, and no target has an
    integer kernel for it.

    1. Rank 3 and more: a depthwise Conv with a window of size 1.
    2. Rank 2: a Mul and an Add.

    The node and its output keep their names.

    Before: `y = BatchNormalization(x, gamma, beta, mean, var)`
    After:  `y = Conv<group=C>(x, scale, shift)`
    """

    only_for: ClassVar[tuple[str, ...]] = ("BatchNormalization",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [_lower(node, names) for node in list(nodes(model)) if node.op_type == "BatchNormalization"]
        return ir.passes.PassResult(model, modified=any(changed))


def _lower(node: ir.Node, names: Names) -> bool:
    affine, source, dims = batch_norm_affine(node), node.inputs[0], rank(node.inputs[0])
    if affine is None or source is None or dims is None or dims < 2:
        return False
    with np.errstate(over="ignore"):
        scale, shift = affine.scale.astype(np.float32), affine.shift.astype(np.float32)
    if not (scale.size and np.isfinite(scale).all() and np.isfinite(shift).all()):
        return False  # a Conv of no groups would end the process in onnxruntime
    shift_value = add_constant(owner(node), shift, names.value(f"{node.name}_shift"))
    weight = scale.reshape(-1, *[1] * (dims - 1)) if dims > 2 else scale
    scale_value = add_constant(owner(node), weight, names.value(f"{node.name}_scale"))
    if dims > 2:  # case 1
        _become(node, "Conv", [source, scale_value, shift_value])
        node.attributes["group"] = ir.AttrInt64("group", len(scale))
        node.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", [1] * (dims - 2))
        return True
    name, output = names.node(f"{node.name}_mul"), names.value(f"{node.name}_scaled")  # case 2
    scaled = add_node(node, "Mul", [source, scale_value], name=name, output=output)
    scaled.shape, scaled.type = source.shape, source.type
    _become(node, "Add", [scaled, shift_value])
    return True


def _become(node: ir.Node, op_type: str, inputs: list[ir.Value]) -> None:
    node.op_type = op_type
    node.attributes.clear()
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        node.replace_input_with(index, value)
    node.resize_outputs(1)
