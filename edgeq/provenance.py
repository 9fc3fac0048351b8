"""Write into an int8 model where it comes from: version, hashes, gate, and what became of every node of the float model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

import onnx_ir as ir

from edgeq import __version__
from edgeq.graph import nodes
from edgeq.origins import NODES_KEY, OriginRuns
from edgeq.placement import Runs
from edgeq.plan import Plan

#: whether the floors of the recipe hold; none: there were no floors
Gate = Literal["passed", "failed", "none"]

_RUNS: dict[Runs, OriginRuns] = {"int8": "int8", "integer": "int8", "absorbed": "absorbed", "float": "float"}


def write_provenance(model: ir.Model, float_model: ir.Model, vanished: Mapping[str, str], plan: Plan) -> None:
    """Set the metadata_props edgeq.* of the int8 model, in place; the gate is "none" until mark_gate.

    float_model: as load names its nodes. vanished: name of a float node that prepare removed -> what became of it.
    """
    left = {str(node.name) for node in nodes(model)}
    record = {str(node.name): _entry(str(node.name), left, vanished, plan) for node in nodes(float_model)}
    facts = {
        "version": __version__,
        "target": plan.target,
        "recipe": plan.recipe,
        "model": plan.model,
        "data": plan.data,
        "plan": plan.hash,
    }
    for key, text in facts.items():
        model.metadata_props[f"edgeq.{key}"] = text
    model.metadata_props[NODES_KEY] = json.dumps(record, sort_keys=True, separators=(",", ":"))
    mark_gate(model, "none")


def mark_gate(model: ir.Model, gate: Gate) -> None:
    """Say in the model whether it holds the floors it was made for."""
    model.metadata_props["edgeq.gate"] = gate


def _entry(name: str, left: set[str], vanished: Mapping[str, str], plan: Plan) -> dict[str, str | None]:
    place = plan.nodes.get(name)
    if place is None:
        return {"runs": "folded", "as": None, "reason": vanished.get(name, "simplified away before it was quantized")}
    return {"runs": _RUNS[place.runs], "as": name if name in left else None, "reason": place.reason}
