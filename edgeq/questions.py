"""The public functions that answer questions about a model: inspect, check and explain."""

from __future__ import annotations

from pathlib import Path

from edgeq.errors import BadModel, BadPlan
from edgeq.integers.legality.check import check_model
from edgeq.integers.legality.violation import Violation
from edgeq.integers.reading.runner import record_of
from edgeq.integers.tflite.parse import parse
from edgeq.io.endings import plan_path
from edgeq.io.load import load_model
from edgeq.io.model_source import ModelSource, load
from edgeq.io.writing.card import Cards
from edgeq.proof.written import read_file
from edgeq.report.explain import Explanation, check_plan_hash
from edgeq.report.explain import explain as explain_name
from edgeq.report.inspection import Inspection, inspect_model
from edgeq.report.quantized import Quantized
from edgeq.schema.plan import Plan, load_plan
from edgeq.schema.recipe import RecipeLike, recipe_of
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Shapes


def inspect(
    model: ModelSource, *, target: str | Target = "cpu", recipe: RecipeLike | None = None, shapes: Shapes | None = None
) -> Inspection:
    """Describe a float model and what it would become on a target; no data is needed.

    Raises EdgeqError.

    >>> import edgeq
    >>> from edgeq.data.shipped import shipped_model
    >>> found = edgeq.inspect(shipped_model("digits"), target="mcu_tflite")
    >>> [node.name for node in found.nodes if node.runs == "float"]
    []
    """
    return inspect_model(load(model, quantized=False), load_target(target), shapes or {}, recipe_of(recipe))


def check(model: ModelSource, target: str | Target) -> tuple[Violation, ...]:
    """What of a quantized model, of any tool, a target does not allow; empty: it is legal there.

    Raises EdgeqError for a model that cannot be read, and for an unknown target.
    """
    return Cards(check_model(load(model, quantized=True).model, load_target(target)))


def explain(made: str | Path | Plan | Quantized, name: str, *, plan: str | Path | None = None) -> tuple[Explanation, ...]:
    """Why a node is int8 or float, and where its scales and zero points come from.

    made: the result of quantize, a plan, a .plan.json, or an int8 model that has its plan beside
    it or in `plan`. name: of a node or a value of the float model. Raises BadModel, BadPlan where
    the plan is missing or of another model, and BadRecipe for a name that the plan does not have.
    """
    if isinstance(made, Quantized | Plan):
        return Cards(explain_name(made.plan if isinstance(made, Quantized) else made, name, "plan"))
    path = Path(made)
    if path.suffix == ".json":
        return Cards(explain_name(load_plan(path), name, str(path)))
    beside = plan_path(path) if plan is None else Path(plan)
    return Cards(explain_name(_plan_of(path, beside), name, str(beside)))


def _plan_of(model: Path, beside: Path) -> Plan:
    """The plan of a model. Raises BadModel, and BadPlan when it is missing or another's."""
    if not model.is_file():
        raise BadModel("There is no such file.", str(model), "Give an int8 model that edgeq wrote, or its .plan.json.")
    if not beside.is_file():
        raise BadPlan(
            "The model has no plan beside it.",
            str(beside),
            "Give the plan that was written with it (--plan), or quantize without --no-plan.",
        )
    plan = load_plan(beside)
    check_plan_hash(plan, beside.read_text(encoding="utf-8"), _recorded(model), str(model))
    return plan


def _recorded(model: Path) -> str | None:
    """The hash of the plan that a model says it was made by."""
    if model.suffix == ".tflite":
        return record_of(parse(read_file(model))).get("edgeq.plan")
    return load_model(model, quantized=True).model.metadata_props.get("edgeq.plan")
