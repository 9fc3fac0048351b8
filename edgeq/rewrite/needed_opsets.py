"""Decide which opsets a run can use, and why a model's own is left where it is not one of them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.passes.prepare.fuse_gelu import OPSET as GELU_OPSET
from edgeq.passes.prepare.fuse_gelu import match_gelu
from edgeq.passes.prepare.fuse_hardswish import match_hardswish

#: the first opset that has HardSwish
HARDSWISH_OPSET = 14


@dataclass(frozen=True)
class NeededOpsets:
    """The opsets that a prepared model may have."""

    #: the lowest
    lowest: int
    #: the highest
    highest: int
    #: why a model of another opset is converted, for the report
    reason: str


def needed_opsets(model: ir.Model, asked: int | None, lowest: int, highest: int) -> NeededOpsets:
    """asked: the only opset that the recipe or a plan allows. lowest, highest: the target's."""
    if asked is not None:
        return NeededOpsets(asked, asked, "the recipe or the plan asks for it")
    reason = "the target takes no older one"
    if highest >= GELU_OPSET > lowest and any(match_gelu(node) is not None for node in nodes(model)):
        lowest, reason = GELU_OPSET, "the first that has Gelu"
    elif highest >= HARDSWISH_OPSET > lowest and any(match_hardswish(node) for node in nodes(model)):
        lowest, reason = HARDSWISH_OPSET, "the first that has HardSwish"
    return NeededOpsets(lowest, highest, reason if model.opset_imports.get("", 0) < lowest else "the target takes no newer one")
