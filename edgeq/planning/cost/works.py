"""The work of the nodes and values of a graph, found once however many machines weigh it."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.planning.cost.work import Work, conversion, work_of


class Works:
    """Work of nodes and of conversions, kept while a graph stays as it is."""

    def __init__(self, batch: int = 1) -> None:
        """batch: samples of a call, where the model leaves their number open."""
        self.batch = batch
        self._nodes: dict[ir.Node, Work] = {}
        self._conversions: dict[tuple[str, ir.Value], Work] = {}

    def of_node(self, node: ir.Node) -> Work:
        """As work_of."""
        known = self._nodes.get(node)
        if known is None:
            known = self._nodes[node] = work_of(node, self.batch)
        return known

    def of_conversion(self, op_type: str, value: ir.Value) -> Work:
        """As conversion."""
        known = self._conversions.get((op_type, value))
        if known is None:
            known = self._conversions[op_type, value] = conversion(op_type, value, self.batch)
        return known
