"""What every node of a float model became in the quantized model, and how that runs."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.graph.float_form import float_form
from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.proof.node_rows import ProvenAs, ProvenNode
from edgeq.schema.origins import Origin, read_origins


def float_rows(float_model: ir.Model, shaped: ir.Model, rows: Sequence[ProvenNode]) -> tuple[ProvenNode, ...]:
    """One row per node of the float model: the row of the node that it became.

    shaped: the float form of the quantized model. rows: the rows of its nodes.
    """
    twins = Twins(shaped, rows)
    result = []
    for node in nodes(float_form(float_model)):
        origin, work = twins.origins.get(str(node.name)), macs(node)
        row = twins.row(node, work)
        if row is None:
            reason = origin.reason if origin is not None and origin.reason else "simplified away before it was quantized"
            row = ProvenNode("", "", "vanished", reason, 0)
        runs: ProvenAs = "float" if row.runs_as == "boundary" else row.runs_as
        planned_float = origin is not None and runs == origin.runs == "float" and origin.reason
        reason = origin.reason if origin is not None and planned_float else row.reason
        result.append(ProvenNode(str(node.name), node.op_type, runs, reason, 0 if runs == "vanished" else work))
    return tuple(result)


class Twins:
    """Finds what a node of the float model became in the quantized model."""

    def __init__(self, shaped: ir.Model, rows: Sequence[ProvenNode]) -> None:
        self.origins = read_origins(shaped)
        self.rows = {row.name: row for row in rows}
        self.op_types = {str(node.name): node.op_type for node in nodes(shaped)}
        self.makers = {str(value.name): str(node.name) for node in nodes(shaped) for value in node.outputs if value.name}

    def row(self, node: ir.Node, work: int) -> ProvenNode | None:
        """The row of what the node became, whose name may be empty; None: it has no node there.

        work: multiply-accumulates of the node.
        """
        origin = self.origins.get(str(node.name))
        return self._by_origin(node, origin) if origin is not None else self._by_name_or_value(node, work)

    def _by_origin(self, node: ir.Node, origin: Origin) -> ProvenNode | None:
        """The row found through edgeq's own record; None: the node has no row of its own."""
        return None if origin.runs in ("absorbed", "folded") else self.rows.get(origin.node or str(node.name))

    def _by_name_or_value(self, node: ir.Node, work: int) -> ProvenNode | None:
        """The row found in a model of another tool, which holds no record.

        It is the row of the node with the same name (onnxruntime's tool appends _quant), else of
        the node that makes the same value.
        """
        for name in (str(node.name), f"{node.name}_quant"):
            if self.op_types.get(name) == node.op_type:
                return self.rows[name]
        maker = next((self.makers[str(value.name)] for value in node.outputs if value.name in self.makers), None)
        if maker is None:
            return None
        row = self.rows[maker]
        if self.op_types[maker] == node.op_type or work:
            return row
        return ProvenNode("", "", "vanished", f"its work is done by {row.name} ({row.op_type})", 0)
