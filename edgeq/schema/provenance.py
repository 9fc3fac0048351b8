"""Metadata of an int8 model: hashes of its inputs, and what became of every float node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import onnx_ir as ir

from edgeq.graph.read import initializer_bytes, nodes
from edgeq.schema.origins import NODES_KEY, SCALED_KEY, Fate, Origin, pack_exponents, pack_origins, read_origins
from edgeq.schema.plan import PlacedAs, Plan
from edgeq.schema.target import Target, shipped_targets
from edgeq.version import __version__

Gate = Literal["passed", "failed", "none"]

#: where a model of a user's own target runs: a runtime, and an architecture or ANY
RUNS_ON_KEY, ANY = "edgeq.runs_on", "any"
#: largest share of the file that edgeq's own metadata take, and the bytes that they may always take
LARGEST_SHARE, ALWAYS_BYTES = 0.02, 1024

#: a plan's places in the terms that a model's metadata use
_RUNS: dict[PlacedAs, Fate] = {"int8": "int8", "dynamic": "int8", "integer": "int8", "absorbed": "absorbed", "float": "float"}


def write_provenance(model: ir.Model, float_model: ir.Model, vanished: Mapping[str, str], plan: Plan, target: Target) -> None:
    """Write versions, hashes and the fate of each float node into the int8 model's metadata.

    vanished: name of a node that preparation removed -> the reason. Of a target that is not shipped
    the model says where it runs, since nobody can look it up by its name.
    """
    fates: dict[str, Origin] = {}
    for node in nodes(float_model):
        name = str(node.name)
        if name in plan.nodes:
            place = plan.nodes[name]
            # a node in integers needs no explanation here; the plan has the full text
            why = place.reason if _RUNS[place.runs] != "int8" else ""
            fates[name] = Origin(_RUNS[place.runs], None if place.runs == "absorbed" else name, why)
        else:
            fates[name] = Origin("folded", None, vanished.get(name, "merged with its neighbours in preparation"))
    model.metadata_props.update(
        {
            "edgeq.version": __version__,
            "edgeq.target": plan.target,
            "edgeq.recipe": plan.recipe,
            "edgeq.model": plan.model,
            "edgeq.data": plan.data,
            "edgeq.plan": plan.hash,
            "edgeq.gate": "none",
            NODES_KEY: pack_origins(fates),
        }
    )
    if target.name not in shipped_targets():
        model.metadata_props[RUNS_ON_KEY] = f"{target.runtime} {target.architecture or ANY}"
    if plan.equalization:
        model.metadata_props[SCALED_KEY] = pack_exponents(plan.equalization)
    model.producer_name, model.producer_version = "edgeq", __version__


def shorten_provenance(model: ir.Model) -> None:
    """Let edgeq's record of the nodes take no more than its share of the file.

    What does not fit is in the plan. First the nodes go that keep their names and have no reason,
    then all reasons, then the record. Exponents of equalization go last.
    """
    room = max(ALWAYS_BYTES, int(LARGEST_SHARE * initializer_bytes(model))) - _metadata_bytes(model)
    if room >= 0:
        return
    told = {name: origin for name, origin in read_origins(model).items() if origin.reason or origin.node != name}
    briefly = {name: replace(origin, reason="") for name, origin in told.items() if origin.node != name}
    room += len(model.metadata_props.get(NODES_KEY, ""))
    for shorter in (told, briefly):
        packed = pack_origins(shorter)
        if len(packed) <= room:
            model.metadata_props[NODES_KEY] = packed
            return
    model.metadata_props.pop(NODES_KEY, None)
    if room < 0:
        model.metadata_props.pop(SCALED_KEY, None)


def _metadata_bytes(model: ir.Model) -> int:
    """The bytes of edgeq's own entries; each takes some 8 more for tags and lengths."""
    return sum(len(key.encode()) + len(text.encode()) + 8 for key, text in model.metadata_props.items() if key.startswith("edgeq."))


def mark_gate(model: ir.Model, gate: Gate) -> None:
    """Record in the model whether it meets the floors that it was made under."""
    model.metadata_props["edgeq.gate"] = gate
