"""Turn Constant nodes into initializers, so that all weights look the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph.edit import vanished
from edgeq.graph.read import is_op, nodes


@dataclass(frozen=True)
class LiftConstants(ir.passes.InPlacePass):
    """Turn every Constant into an initializer, where all later passes look for constants.

    Before: `w = Constant<value = ...>()`, `y = Conv(x, w)`
    After:  `y = Conv(x, w)` with the initializer w
    """

    only_for: ClassVar[tuple[str, ...]] = ("Constant",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        before = {node.name for node in nodes(model) if is_op(node, "Constant")}
        result = common_passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        after = {node.name for node in nodes(model) if is_op(node, "Constant")}
        vanished(model).update((name, "became an initializer") for name in sorted(name for name in before - after if name))
        return ir.passes.PassResult(model, modified=result.modified)
