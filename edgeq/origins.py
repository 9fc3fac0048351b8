"""The record that edgeq writes into its models: what became of every node of the float model, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, get_args

import onnx_ir as ir

#: key in ONNX's metadata_props
NODES_KEY = "edgeq.nodes"

OriginRuns = Literal["int8", "float", "absorbed", "folded"]


@dataclass(frozen=True)
class Origin:
    """What became of one node of the float model. node: its name in the int8 model, None when it has none there."""

    runs: OriginRuns
    node: str | None
    reason: str


def read_origins(model: ir.Model) -> dict[str, Origin]:
    """Name of the float node -> what became of it; empty for a model of another tool, or with a damaged record."""
    try:
        record = json.loads(model.metadata_props.get(NODES_KEY, "{}"))
    except ValueError:
        return {}
    if not isinstance(record, dict):
        return {}
    return {name: origin for name, entry in record.items() if (origin := _origin(entry)) is not None}


def _origin(entry: object) -> Origin | None:
    if not isinstance(entry, dict) or entry.get("runs") not in get_args(OriginRuns):
        return None
    node, reason = entry.get("as"), entry.get("reason", "")
    if not isinstance(node, str | None) or not isinstance(reason, str):
        return None
    return Origin(entry["runs"], node, reason)
