"""Remove nodes that pass their input on unchanged."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import bypass
from edgeq.graph.read import attribute_int, attribute_ints, constant, is_op, is_random, nodes, rank


@dataclass(frozen=True)
class RemoveIdentity(ir.passes.InPlacePass):
    """Remove nodes that would split the quantized chain in two, or cost a copy.

    1. Identity, and Dropout outside of training.
    2. Cast to the type that the value already has.
    3. Reshape and Flatten to the shape that the value already has, and Transpose that keeps the
       order.
    4. Concat, Sum, Max, Min or Mean of one input.

    A node that makes a graph output stays when its input is itself a graph input, constant or
    output.

    Before: `y = Relu(x)`, `z = Dropout(y)`
    After:  `z = Relu(x)`
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        changed = False
        for node in list(nodes(model)):
            if node.outputs and _does_nothing(node):
                changed |= bypass(model, node, "removed: passes its input on unchanged")
        return ir.passes.PassResult(model, modified=changed)


def _does_nothing(node: ir.Node) -> bool:
    if is_op(node, "Identity"):
        return True
    if is_op(node, "Dropout"):
        return not is_random(node)
    if is_op(node, "Cast"):
        source = node.inputs[0]
        return source is not None and source.dtype is not None and int(source.dtype) == attribute_int(node, "to", -1)
    if is_op(node, "Concat", "Sum", "Max", "Min", "Mean"):
        return len(node.inputs) == 1
    return _keeps_shape(node)


def _keeps_shape(node: ir.Node) -> bool:
    source, dims = node.inputs[0] if node.inputs else None, rank(node.inputs[0] if node.inputs else None)
    if source is None or source.shape is None or dims is None:
        return False
    if is_op(node, "Flatten"):
        return dims == 2 and attribute_int(node, "axis", 1) in (1, -1)
    if is_op(node, "Transpose"):
        return attribute_ints(node, "perm") == tuple(range(dims))
    target = constant(node.inputs[1]) if is_op(node, "Reshape") else None
    if target is None or target.shape != (dims,) or attribute_int(node, "allowzero", 0):
        return False
    same = [wanted in (0, size) for wanted, size in zip(target.tolist(), source.shape, strict=True)]
    # a -1 stands for the remaining size, which is unchanged when all other sizes are
    return all(ok or wanted == -1 for ok, wanted in zip(same, target.tolist(), strict=True))
