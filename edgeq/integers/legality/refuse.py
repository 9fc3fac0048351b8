"""Refuse what an integer-only target cannot run: float nodes, and models that break its limits."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.errors import BadRecipe, UnsupportedOp
from edgeq.integers.legality.check import broken_facts
from edgeq.io.reasons import in_words
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Objective
from edgeq.schema.target import Target


def refuse_float(plan: Plan, target: Target) -> None:
    """Refuse a plan that leaves nodes in float, where the target is integer-only.

    Raises UnsupportedOp, which names these nodes and the reasons.
    """
    floats = [(name, node) for name, node in plan.nodes.items() if node.runs == "float" and node.because != "no_float"]
    if not target.integer_only or not floats:
        return
    named = in_words((name, node.op_type, node.reason) for name, node in floats)
    what = f"{target.name} has no float kernels, but {len(floats)} nodes of the model cannot run in integers there."
    fix = "Change these nodes in the float model, take them off --keep-float, or choose a target with float kernels."
    raise UnsupportedOp(what, named, fix)


def refuse_illegal(model: ir.Model, target: Target) -> None:
    """Refuse a model that breaks a fact of an integer-only target, such as a largest stride.

    Raises UnsupportedOp, which names the nodes.
    """
    found = broken_facts(model, target) if target.integer_only else []
    if not found:
        return
    named = in_words((one.node or "the model", one.op_type or "all of it", f"{one.rule}, {one.observed}, but {one.fact}") for one in found)
    what = f"The int8 model would break {len(found)} facts of {target.name}."
    raise UnsupportedOp(what, named, "Change these nodes in the float model, or choose another target.")


def refuse_search(target: Target, objective: Objective) -> None:
    """Refuse a search that has nothing to compare. Raises BadRecipe.

    A search compares float layers with integer ones, and layers of 16 bits with those of 8; an
    integer-only target may have neither, and has nothing smaller or faster to offer. The fastest
    model is found by timing candidates in onnxruntime on this machine, which says nothing of a
    target of another runtime or architecture.
    """
    if target.integer_only and target.wide is None:
        what = f"Effort best searches for layers to keep in float or in 16 bits, and {target.name} computes in integers only, of 8 bits."
        raise BadRecipe(what, "effort", "Use --effort default.")
    if target.integer_only and objective != "accuracy":
        what = f"The objective {objective} chooses between integers and float, and {target.name} computes in integers only."
        raise BadRecipe(what, "objective", "Use the objective accuracy, with a floor such as --min-sqnr.")
    if objective == "latency" and not target.runs_here:
        what = f"The objective latency times candidates on this machine, which does not run models as {target.name} does."
        raise BadRecipe(what, "objective", "Use another objective, or search on a machine of the target.")
