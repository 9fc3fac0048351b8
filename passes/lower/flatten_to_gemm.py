"""Turn a MatMul of rank 3 or more with constant weights and bias into a Gemm of its rows."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import FoldableLayer, linear_behind, per_channel
from edgeq.graph.edit import Names, add_constant, add_node, replace_constant, retire, take_over
from edgeq.graph.read import constant, is_op, nodes, owner
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class FlattenToGemm(ir.passes.InPlacePass):
    """Turn MatMul and Add into a Gemm between two Reshapes; Gemm adds its bias in 32 bits.

    Before: `y = MatMul(x, w)`, `z = Add(y, b)`      x: [2, 98, 64], w: [64, 256], b: [256]
    After:  `r = Reshape(x, [196, 64])`, `y = Gemm(r, w, b)`, `z = Reshape(y, [2, 98, 256])`

    Only where all sizes are known: there onnxruntime would fuse MatMul and Add by itself, but in
    float.
    """

    #: names of MatMul nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("MatMul",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [self._merge(model, node, names) for node in list(nodes(model)) if is_op(node, "Add")]
        return ir.passes.PassResult(model, modified=any(changed))

    def _merge(self, model: ir.Model, add: ir.Node, names: Names) -> bool:
        for index in (0, 1):
            linear, bias = linear_behind(add.inputs[index]), constant(add.inputs[1 - index])
            if linear is None or bias is None or linear.node.op_type != "MatMul" or linear.bias_add is not None:
                continue
            if linear.node.name in self.keep:
                continue
            sizes = _sizes(linear)
            vector = None if sizes is None else per_channel(bias, len(sizes), len(sizes) - 1, linear.channels)
            if sizes is None or vector is None:
                continue
            _rewrite(linear, add, sizes, np.asarray(vector, bias.dtype), names)
            retire(model, add, f"merged into {linear.node.name}")
            return True
        return False


def _sizes(linear: FoldableLayer) -> list[int] | None:
    """The shape of the product, where it is known and has more than two dimensions."""
    source = linear.node.inputs[0]
    if source is None or source.shape is None or len(source.shape) < 3:
        return None
    sizes = [size for size in source.shape[:-1] if isinstance(size, int) and size > 0]
    return [*sizes, linear.channels] if len(sizes) == len(source.shape) - 1 else None


def _rewrite(linear: FoldableLayer, add: ir.Node, sizes: list[int], bias: AnyArray, names: Names) -> None:
    node = linear.node
    graph, source, weight = owner(node), node.inputs[0], constant(node.inputs[1])
    assert source is not None and weight is not None
    count = int(np.prod(sizes[:-1]))
    rows = add_constant(graph, np.array([count, weight.shape[0]]), names.value(f"{node.name}_rows"))
    flat = add_node(node, "Reshape", [source, rows], name=names.node(f"{node.name}_flatten"), output=names.value(f"{source.name}_rows"))
    flat.type, flat.shape = source.type, ir.Shape([count, weight.shape[0]])
    node.op_type = "Gemm"
    node.replace_input_with(0, flat)
    replace_constant(node, 2, bias, names)
    node.outputs[0].shape = ir.Shape([count, linear.channels])
    shape = add_constant(graph, np.array(sizes), names.value(f"{node.name}_shape"))
    name, output = names.node(f"{node.name}_unflatten"), names.value(f"{node.name}_whole")
    whole = add_node(add, "Reshape", [node.outputs[0], shape], name=name, output=output)
    take_over(add.outputs[0], whole)
