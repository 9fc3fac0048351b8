"""Nodes that a runtime runs together, as one kernel."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir


@dataclass(frozen=True)
class Fusion:
    """Several nodes of a float model that one kernel runs."""

    #: operator type of the kernel, which may be one of the runtime only
    kernel: str
    #: names of the nodes, in the order of the model
    nodes: tuple[str, ...]


def note_fusions(model: ir.Model, found: tuple[Fusion, ...]) -> None:
    """Record the fusions of a model; they stay with it in memory, never in its file."""
    model.meta["edgeq.fusions"] = found


def noted_fusions(model: ir.Model) -> tuple[Fusion, ...]:
    """The fusions recorded of a model; none if nobody looked."""
    found: tuple[Fusion, ...] = model.meta.get("edgeq.fusions", ())
    return found
