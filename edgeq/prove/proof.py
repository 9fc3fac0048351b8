"""Prove what runs: open a model in onnxruntime, read its optimized graph back, and say for every
node whether it is an integer kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.errors import BadRecipe, FloorMissed
from edgeq.graph.float_form import float_form
from edgeq.graph.macs import macs
from edgeq.graph.names import unique_names
from edgeq.graph.read import nodes
from edgeq.io.load import load_model
from edgeq.prove.fates import Fate, settle
from edgeq.prove.read_back import RanKernel, ReadBack, read_back
from edgeq.prove.why_float import why_float
from edgeq.schema.origins import Origin, read_origins

ProvenAs = Literal["int8", "float", "vanished", "boundary"]
Share = float  # for classes that have a field named float


@dataclass(frozen=True)
class ProvenNode:
    """One node. runs_as int8: an integer kernel, named in reason. float: with the reason why.
    vanished: fused or folded; reason says into what. boundary: a Quantize or Dequantize on a graph
    input or output. macs: multiply-accumulates of one sample."""

    name: str
    op_type: str
    runs_as: ProvenAs
    reason: str
    macs: int


@dataclass(frozen=True)
class Proof:
    """nodes: of the float model when one was given, else of the model itself. int8, float: how many
    of them run so.

    boundary_qdq, inner_qdq: Quantize/Dequantize of activations that onnxruntime still runs: on
    graph inputs and outputs, and inside. macs_int8_pct: share of the multiply-accumulates of Conv,
    ConvTranspose, Gemm and MatMul in integer kernels, 0..100.
    """

    nodes: tuple[ProvenNode, ...]
    int8: int
    float: int
    boundary_qdq: int
    inner_qdq: int
    macs_int8_pct: Share


def prove_placement(model: Path | ir.Model, float_model: ir.Model | None = None) -> Proof:
    """What onnxruntime (CPU, all optimizations) makes of the model: Q/DQ, QOperator, dynamic or
    float, of any tool.

    float_model: as edgeq.io.load names it; then the rows are its nodes, found through the record
    that edgeq writes into its models, else by name. Raises BadModel and RuntimeRefused.
    """
    given = _named(model)
    found = read_back(given)
    shaped = float_form(given)
    rows = _Prover(given, shaped, found).rows()
    if float_model is not None:
        rows = _float_rows(float_model, shaped, rows)
    return _placement(rows, found)


def require_int8(placement: Proof, op_types: Sequence[str]) -> None:
    """A gate: raises FloorMissed that names the nodes of these operator types that run in float.

    Raises BadRecipe for a type that neither ONNX nor the model knows, so that a misspelt gate
    cannot pass.
    """
    present = {node.op_type for node in placement.nodes}
    for op_type in op_types:
        if op_type not in present and not onnx.defs.has(op_type):
            raise BadRecipe(
                f"There is no operator type {op_type!r}.", "--require-int8", f"Use types of the model: {', '.join(sorted(present))}."
            )
    floats = [node for node in placement.nodes if node.op_type in op_types and node.runs_as == "float"]
    if floats:
        listed = "; ".join(f"{node.name} ({node.op_type}): {node.reason}" for node in floats[:10])
        more = f"; and {len(floats) - 10} more" if len(floats) > 10 else ""
        what = f"{len(floats)} of the nodes that must run in integers run in float."
        raise FloorMissed(what, listed + more, "Mend the named cause, or take the operator type off --require-int8.")


def _named(model: Path | ir.Model) -> ir.Model:
    if isinstance(model, Path):
        return load_model(model, quantized=True).model
    copy = model.clone()
    common_passes.InlinePass()(copy)
    unique_names(copy)
    return copy


class _Prover:
    def __init__(self, model: ir.Model, shaped: ir.Model, found: ReadBack) -> None:
        self.model = model
        self.macs = {str(node.name): macs(node) for node in nodes(shaped)}
        self.fates = settle(shaped, found)
        self.planned = {origin.node: origin for origin in read_origins(model).values() if origin.node and origin.runs == "float"}

    def rows(self) -> tuple[ProvenNode, ...]:
        return tuple(self._row(node, self.fates[str(node.name)]) for node in nodes(self.model))

    def _row(self, node: ir.Node, fate: Fate) -> ProvenNode:
        name, work = str(node.name), self.macs[str(node.name)]
        kernel = fate.kernel
        # a node with multiply-accumulates does not vanish when it is fused: they are done by that
        # kernel
        counts = kernel is not None and (fate.own or (work > 0 and kernel.runs in ("int8", "float")))
        if kernel is None or not counts:
            return ProvenNode(name, node.op_type, "vanished", fate.reason, 0 if kernel is None else work)
        if kernel.runs == "int8":
            return ProvenNode(name, node.op_type, "int8", kernel.op_type, work)
        if kernel.runs == "conversion":
            return _conversion(node, kernel)
        return ProvenNode(name, node.op_type, "float", self._reason(node, kernel), work)

    def _reason(self, node: ir.Node, kernel: RanKernel) -> str:
        origin = self.planned.get(str(node.name))
        return origin.reason if origin is not None and origin.reason else why_float(node, kernel)


def _conversion(node: ir.Node, kernel: RanKernel) -> ProvenNode:
    reasons = {"boundary": "on a graph input or output", "inner": "left inside the graph: a float node reads or writes it"}
    reason = reasons.get(kernel.place or "", "dequantizes a constant at every run, for a float node")
    return ProvenNode(str(node.name), node.op_type, "boundary" if kernel.place == "boundary" else "float", reason, 0)


def _float_rows(float_model: ir.Model, shaped: ir.Model, rows: Sequence[ProvenNode]) -> tuple[ProvenNode, ...]:
    """One row a node of the float model: the row of what it became. shaped: the float form of the
    given model.
    """
    twins = _Twins(shaped, rows)
    result = []
    for node in nodes(float_form(float_model)):
        origin, work = twins.origins.get(str(node.name)), macs(node)
        row = twins.by_origin(node, origin) if origin is not None else twins.by_name_or_value(node, work)
        if row is None:
            reason = origin.reason if origin is not None and origin.reason else "simplified away before it was quantized"
            row = ProvenNode("", "", "vanished", reason, 0)
        runs: ProvenAs = "float" if row.runs_as == "boundary" else row.runs_as
        planned_float = origin is not None and runs == origin.runs == "float" and origin.reason
        reason = origin.reason if origin is not None and planned_float else row.reason
        result.append(ProvenNode(str(node.name), node.op_type, runs, reason, 0 if runs == "vanished" else work))
    return tuple(result)


class _Twins:
    """Finds what a node of the float model became in the given model."""

    def __init__(self, shaped: ir.Model, rows: Sequence[ProvenNode]) -> None:
        self.origins = read_origins(shaped)
        self.rows = {row.name: row for row in rows}
        self.op_types = {str(node.name): node.op_type for node in nodes(shaped)}
        self.makers = {str(value.name): str(node.name) for node in nodes(shaped) for value in node.outputs if value.name}

    def by_origin(self, node: ir.Node, origin: Origin) -> ProvenNode | None:
        """Through edgeq's own record."""
        return None if origin.runs in ("absorbed", "folded") else self.rows.get(origin.node or str(node.name))

    def by_name_or_value(self, node: ir.Node, work: int) -> ProvenNode | None:
        """A model of another tool: the same node name (onnxruntime's tool appends _quant), else the
        node that makes the same value.
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


def _placement(rows: Sequence[ProvenNode], found: ReadBack) -> Proof:
    total = sum(row.macs for row in rows)
    integer = sum(row.macs for row in rows if row.runs_as == "int8")
    return Proof(
        nodes=tuple(rows),
        int8=sum(row.runs_as == "int8" for row in rows),
        float=sum(row.runs_as == "float" for row in rows),
        boundary_qdq=found.boundary_qdq,
        inner_qdq=found.inner_qdq,
        macs_int8_pct=100 * integer / total if total else 0.0,
    )
