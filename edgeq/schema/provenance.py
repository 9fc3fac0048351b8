"""Metadata of an int8 model: hashes of its inputs, and what became of every float node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.schema.origins import NODES_KEY, SCALED_KEY, pack_exponents
from edgeq.schema.plan import Plan
from edgeq.version import __version__

Gate = Literal["passed", "failed", "none"]

#: a plan's places in the terms that a model's metadata use
_RUNS = {"int8": "int8", "dynamic": "int8", "integer": "int8", "absorbed": "absorbed", "float": "float"}


def write_provenance(model: ir.Model, float_model: ir.Model, vanished: Mapping[str, str], plan: Plan) -> None:
    """Write versions, hashes and the fate of each float node into the int8 model's metadata.

    vanished: name of a node that preparation removed -> the reason.
    """
    fates: dict[str, dict[str, str | None]] = {}
    for node in nodes(float_model):
        name = str(node.name)
        if name in plan.nodes:
            place = plan.nodes[name]
            # a node in integers needs no explanation here; the plan has the full text
            why = place.reason if _RUNS[place.runs] != "int8" else ""
            fates[name] = {"runs": _RUNS[place.runs], "as": None if place.runs == "absorbed" else name, "reason": why}
        else:
            fates[name] = {"runs": "folded", "as": None, "reason": vanished.get(name, "merged with its neighbours in preparation")}
    model.metadata_props.update(
        {
            "edgeq.version": __version__,
            "edgeq.target": plan.target,
            "edgeq.recipe": plan.recipe,
            "edgeq.model": plan.model,
            "edgeq.data": plan.data,
            "edgeq.plan": plan.hash,
            "edgeq.gate": "none",
            NODES_KEY: json.dumps(fates, sort_keys=True, separators=(",", ":")),
        }
    )
    if plan.equalization:
        model.metadata_props[SCALED_KEY] = pack_exponents(plan.equalization)
    model.producer_name, model.producer_version = "edgeq", __version__


def mark_gate(model: ir.Model, gate: Gate) -> None:
    """Record in the model whether it meets the floors that it was made under."""
    model.metadata_props["edgeq.gate"] = gate
