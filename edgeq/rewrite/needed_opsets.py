"""Decide which opsets a run can use, and why a model's own is left where it is not one of them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.passes.prepare.recognize.found_norms import opset_for_norms
from edgeq.passes.prepare.recognize.fuse_functions import opset_for_functions


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
    return NeededOpsets(lowest, highest, reason if model.opset_imports.get("", 0) < lowest else "the target takes no newer one")


def opset_for_operators(model: ir.Model, allowed: NeededOpsets, norms: bool) -> NeededOpsets | None:
    """The opsets that have the operators of what a prepared model writes out in others.

    These are functions such as GELU and, if `norms`, normalizations. None: its own opset has them.
    """
    wanted = max(opset_for_functions(model, allowed.highest), opset_for_norms(model, allowed.highest) if norms else 0)
    if wanted <= model.opset_imports.get("", 0):
        return None
    return NeededOpsets(wanted, allowed.highest, "the first that has the operators of functions that the model writes out")
