"""Compute once the values that do not depend on the model's inputs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import detach_strays, vanished
from edgeq.graph.read import nodes
from edgeq.passes.prepare.computed_constants import ComputedConstants, most_elements

#: elements of shapes and the like, which are folded without asking for the size of the file
SMALL = 256
#: sizes are limited here, not by onnxscript
_NO_LIMIT = 1 << 62

# onnxscript logs what it cannot evaluate; such a node simply stays
logging.getLogger("onnxscript").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class FoldConstants(ir.passes.InPlacePass):
    """Fold nodes whose inputs are all constants, with onnxscript's folding.

    onnxscript is imported only when there is such a node. What would make the int8 file grow stays
    computed: runtimes compute it when they load the model.

    Before: `c = Sqrt(two)`, `y = Mul(x, c)`
    After:  `y = Mul(x, c)` with the initializer c
    """

    #: whether the file may grow by it: an integer-only target cannot compute tables
    grow: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        computed = ComputedConstants(model)
        chosen = computed.within_limits() if self.grow else computed.worth_storing()
        if not chosen:
            return ir.passes.PassResult(model, modified=False)
        from onnxscript.optimizer import fold_constants  # half a second to import

        def may_fold(node: ir.Node) -> bool | None:
            """False forbids it, None lets onnxscript decide.

            A node that is constant only since this call waits for the next one, unless it is small.
            """
            return None if node in chosen or (node not in computed.nodes and most_elements(node) <= SMALL) else False

        before, outside = [node.name for node in nodes(model)], {node.name for node in model.graph}
        fold_constants(model, input_size_limit=_NO_LIMIT, output_size_limit=_NO_LIMIT, should_fold=may_fold)
        detach_strays(model)
        _restore_names(model, before)
        after = {node.name for node in nodes(model)}
        for name in before:
            if name and name not in after:
                vanished(model)[name] = "constant-folded" if name in outside else "constant-folded, or in a branch that is never taken"
        return ir.passes.PassResult(model, modified=before != [node.name for node in nodes(model)])


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
