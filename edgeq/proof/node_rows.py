"""List every node of a model with the kernel that runs it in onnxruntime.

Nodes that run in float also have the reason why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.proof.fates import Fate, settle
from edgeq.proof.read_back import RanKernel, ReadBack
from edgeq.proof.why_float import why_float
from edgeq.schema.origins import read_origins

ProvenAs = Literal["int8", "float", "vanished", "boundary"]


@dataclass(frozen=True)
class ProvenNode:
    """One node and what the runtime made of it."""

    #: name of the node; unique in its model
    name: str
    #: ONNX operator type
    op_type: str
    #: int8: an integer kernel. float: a float kernel. vanished: fused or folded. boundary: a
    #: Quantize or Dequantize on a graph input or output
    runs_as: ProvenAs
    #: int8: the kernel; float: why; vanished: into what
    reason: str
    #: multiply-accumulates of one sample
    macs: int


def node_rows(model: ir.Model, shaped: ir.Model, found: ReadBack) -> tuple[ProvenNode, ...]:
    """One row per node, in the order of the model.

    shaped: the model's float form, for sizes and for the graph between the Q/DQ pairs. found: what
    the runtime's optimized graph holds.
    """
    return _Reader(model, shaped, found).rows()


class _Reader:
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
        # a node with multiply-accumulates does not vanish when it is fused: the other kernel does
        # its work
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
