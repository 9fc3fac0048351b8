"""Prove what onnxruntime runs in integers.

The model is opened, its optimized graph is read back, and every node gets a row that says whether
its kernel is an integer kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.errors import BadRecipe, FloorMissed, RuntimeRefused
from edgeq.graph.float_form import float_form
from edgeq.graph.names import unique_names
from edgeq.io.load import load_model
from edgeq.io.reasons import in_words
from edgeq.io.writing.card import Card, Facts
from edgeq.proof.float_rows import float_rows
from edgeq.proof.lost_fusions import LostFusion, lost_fusions
from edgeq.proof.made_for import made_for
from edgeq.proof.node_rows import ProvenNode, node_rows
from edgeq.proof.read_back import ReadBack, read_back

Share = float  # for classes that have a field named float


@dataclass(frozen=True, repr=False)
class Proof(Card):
    """What onnxruntime runs of a model."""

    #: the nodes of the float model when one was given, else of the model itself
    nodes: tuple[ProvenNode, ...]
    #: how many of them run in integer kernels
    int8: int
    #: how many of them run in float
    float: int
    #: Quantize and Dequantize of activations that still run on graph inputs and outputs
    boundary_qdq: int
    #: the same inside the graph
    inner_qdq: int
    #: share of the multiply-accumulates of Conv, ConvTranspose, Gemm, MatMul and recurrent layers
    #: that integer kernels do, 0..100
    macs_int8_pct: Share
    #: kernels that the float model has and this one runs as several float kernels; empty where no
    #: float model was given
    lost: tuple[LostFusion, ...] = ()
    #: whether onnxruntime was told to fuse signed activations, as it does on Arm
    signed: bool = False

    def facts(self) -> Facts:
        """What a line and a table show."""
        rows = (("in integers", str(self.int8)), ("in float", str(self.float)), ("MACs in integers", f"{self.macs_int8_pct:.0f} %"))
        return Facts(f"{len(self.nodes)} nodes", rows)


def prove_placement(model: Path | ir.Model, float_model: ir.Model | None = None) -> Proof:
    """Read back what onnxruntime (CPU, all optimizations) makes of the model.

    The model may be Q/DQ, QOperator, dynamic or float, from any tool. float_model: with the node
    names that edgeq.io.load gives; the rows are then its nodes, found through the record that edgeq
    writes into its models, else by name. Signed activations of edgeq's own models are fused as on
    Arm. Raises BadModel and RuntimeRefused.
    """
    given = _named(model)
    signed = made_for(given).signed
    found = read_back(given, signed=signed)
    shaped = float_form(given)
    rows = node_rows(given, shaped, found)
    if float_model is None:
        return _placement(rows, found, signed)
    placement = _placement(float_rows(float_model, shaped, rows), found, signed)
    return replace(placement, lost=_lost(float_model, shaped, found, rows))


def require_int8(placement: Proof, op_types: Sequence[str]) -> None:
    """Raise FloorMissed that names the nodes of these operator types that run in float.

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
        listed = in_words((node.name, node.op_type, node.reason) for node in floats)
        what = f"{len(floats)} of the nodes that must run in integers run in float."
        raise FloorMissed(what, listed, "Remove the named cause, or take the operator type off --require-int8.")


def _lost(float_model: ir.Model, shaped: ir.Model, found: ReadBack, rows: Sequence[ProvenNode]) -> tuple[LostFusion, ...]:
    try:
        return lost_fusions(float_model, shaped, found, rows)
    except RuntimeRefused:
        return ()  # a float model that the runtime does not take has no kernels to lose


def _named(model: Path | ir.Model) -> ir.Model:
    if isinstance(model, Path):
        return load_model(model, quantized=True).model
    copy = model.clone()
    common_passes.InlinePass()(copy)
    unique_names(copy)
    return copy


def _placement(rows: Sequence[ProvenNode], found: ReadBack, signed: bool) -> Proof:
    total = sum(row.macs for row in rows)
    integer = sum(row.macs for row in rows if row.runs_as == "int8")
    return Proof(
        nodes=tuple(rows),
        int8=sum(row.runs_as == "int8" for row in rows),
        float=sum(row.runs_as == "float" for row in rows),
        boundary_qdq=found.boundary_qdq,
        inner_qdq=found.inner_qdq,
        macs_int8_pct=100 * integer / total if total else 0.0,
        signed=signed,
    )
