"""The record in a model's metadata of what became of every node of the float model, and why."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import onnx_ir as ir

from edgeq.io.limits import MAX_JSON

#: keys in ONNX's metadata_props
NODES_KEY, SCALED_KEY = "edgeq.nodes", "edgeq.equalization"
#: the same, with JSON: name of an output of the float model that was split -> names of its parts
SPLIT_KEY = "edgeq.split_outputs"
#: the same: its .tflite file stores the weights whose codes have 4 bits as this type
PACKED_KEY = "edgeq.packed_weights"

Fate = Literal["int8", "float", "absorbed", "folded"]


@dataclass(frozen=True)
class Origin:
    """What became of one node of the float model."""

    runs: Fate
    #: its name in the int8 model; None if it has no node there
    node: str | None
    #: why, for people
    reason: str


def read_origins(model: ir.Model) -> dict[str, Origin]:
    """What became of each node of the float model, by its name.

    Empty for a model that another tool wrote, or whose record is damaged.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.io.load import load_model
    >>> model = load_model(shipped_model("digits")).model
    >>> model.metadata_props[NODES_KEY] = pack_origins({"relu_1": Origin("folded", None, "")})
    >>> read_origins(model)["relu_1"].runs
    'folded'
    """
    record = _unpacked(model.metadata_props.get(NODES_KEY, ""))
    if not isinstance(record, dict):
        return {}
    return {name: origin for name, entry in record.items() if (origin := _origin(entry)) is not None}


def _origin(entry: object) -> Origin | None:
    if not isinstance(entry, dict) or entry.get("runs") not in get_args(Fate):
        return None
    node, reason = entry.get("as"), entry.get("reason", "")
    if not isinstance(node, str | None) or not isinstance(reason, str):
        return None
    return Origin(entry["runs"], node, reason)


def pack_origins(origins: Mapping[str, Origin]) -> str:
    """Encode the origins, by node of the float model: base64 of zlib of JSON."""
    return _packed({name: {"runs": origin.runs, "as": origin.node, "reason": origin.reason} for name, origin in origins.items()})


def pack_exponents(exponents: Mapping[str, tuple[int, ...]]) -> str:
    """Encode the exponents per channel, by value name: base64 of zlib of JSON."""
    return _packed(dict(exponents))


def read_exponents(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Decode what pack_exponents wrote into the model.

    Empty if nothing was scaled or the record is damaged.
    """
    record = _unpacked(model.metadata_props.get(SCALED_KEY, ""))
    try:
        return {str(name): tuple(int(k) for k in steps) for name, steps in record.items()} if isinstance(record, dict) else {}
    except (ValueError, TypeError):
        return {}


def read_split(model: ir.Model) -> dict[str, list[str]]:
    """Which outputs were split into which parts; empty if none was or the record is damaged."""
    try:
        record = json.loads(model.metadata_props.get(SPLIT_KEY, "{}"))
        return {str(name): [str(part) for part in parts] for name, parts in record.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _packed(record: object) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def _unpacked(text: str) -> object:
    """The record in a text; None where it is missing or damaged."""
    try:
        return json.loads(zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_JSON)) if text else None
    except (ValueError, RecursionError, zlib.error):
        return None
