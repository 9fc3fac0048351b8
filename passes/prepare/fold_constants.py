"""Compute once the values that do not depend on the model's inputs."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import detach_strays, vanished
from edgeq.graph.read import ONNX_DOMAINS, constant, is_op, nodes, operator_of

#: largest result that is folded, in elements: a ConstantOfShape of a gigabyte must not end up in
#: the file
MAX_ELEMENTS = 4 << 20

# onnxscript logs what it cannot evaluate; such a node simply stays
logging.getLogger("onnxscript").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class FoldConstants(ir.passes.InPlacePass):
    """Fold nodes whose inputs are all constants, with onnxscript's folding.

    onnxscript is imported only when there is such a node.

    Before: `c = Sqrt(two)`, `y = Mul(x, c)`
    After:  `y = Mul(x, c)` with the initializer c
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if not any(is_foldable(node) and _may_fold(node) is None for node in nodes(model)):
            return ir.passes.PassResult(model, modified=False)
        from onnxscript.optimizer import fold_constants  # half a second to import

        before, outside = [node.name for node in nodes(model)], {node.name for node in model.graph}
        fold_constants(model, input_size_limit=MAX_ELEMENTS, output_size_limit=MAX_ELEMENTS, should_fold=_may_fold)
        detach_strays(model)
        _restore_names(model, before)
        after = {node.name for node in nodes(model)}
        for name in before:
            if name and name not in after:
                vanished(model)[name] = "constant-folded" if name in outside else "constant-folded, or in a branch that is never taken"
        return ir.passes.PassResult(model, modified=before != [node.name for node in nodes(model)])


def _may_fold(node: ir.Node) -> bool | None:
    """False where the result could be too large; None lets onnxscript decide."""
    for value in node.outputs:
        if value.shape is not None and value.shape.is_static():
            if math.prod(value.shape.numpy()) > MAX_ELEMENTS:
                return False
        elif operator_of(node).grows or _joint_size(node) > MAX_ELEMENTS:
            return False
    return None


def _joint_size(node: ir.Node) -> int:
    """The largest number of elements that broadcasting the inputs against each other could give."""
    arrays = [constant(value) for value in node.inputs]
    return math.prod(max(array.size, 1) for array in arrays if array is not None)


def _restore_names(model: ir.Model, before: list[str | None]) -> None:
    """Restore the names of nodes that folding moved out of a branch.

    When an If's condition is constant, onnxscript moves its branch out and renames the nodes to
    <If>_<name>.
    """
    left = {node.name for node in nodes(model)}
    gone = {name for name in before if name and name not in left}
    for node in nodes(model):
        if node.name and node.name not in before:
            old = max((name for name in gone if node.name.endswith(f"_{name}")), key=len, default=None)
            if old is not None:
                node.name = old
                gone.discard(old)


def is_foldable(node: ir.Node) -> bool:
    """Whether every input is a constant, so that the result is one too."""
    if node.domain not in ONNX_DOMAINS or is_op(node, "Constant") or operator_of(node).random:
        return False
    if any(value.is_graph_output() for value in node.outputs):
        return False
    if any(attr.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attr in node.attributes.values()):
        return False
    given = [value for value in node.inputs if value is not None]
    return bool(given) and all(constant(value) is not None for value in given)
