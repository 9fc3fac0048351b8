"""Run passes one after the other over a model, but those that can find nothing there."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.read import nodes


class Steps:
    """Runs passes in place. A pass that names its operators (`only_for`) runs where one of them is.

    Most passes are about one or two operators, and most models have few kinds: of thirty walks over
    all nodes, one is left.
    """

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._op_types: set[str] | None = None

    def run(self, step: ir.passes.InPlacePass) -> bool:
        """Run a pass where it could find something; whether it changed the model."""
        if not self.concern(step):
            return False
        modified = bool(step(self._model).modified)
        if modified:
            self.forget()
        return modified

    def concern(self, step: ir.passes.InPlacePass) -> bool:
        """Whether the model has an operator that the pass is about."""
        wanted: tuple[str, ...] | None = getattr(step, "only_for", None)
        if wanted is None:
            return True
        if self._op_types is None:
            self._op_types = {node.op_type for node in nodes(self._model)}
        return not self._op_types.isdisjoint(wanted)

    def forget(self) -> None:
        """Look at the model anew: something else has changed it."""
        self._op_types = None
