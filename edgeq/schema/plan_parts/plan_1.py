"""Upgrade plans of schema 1 to schema 2 as they are read.

In schema 1, the reason for people was also what code read.
"""

from __future__ import annotations

from collections.abc import Mapping

#: how reasons began in schema 1, and what had decided in that case; the wording is that of schema 1
_FLOAT = (
    ("kept float by the recipe", "kept"),
    ("kept float by the search", "searched"),
    ("works on integers or booleans", "no_float"),
    ("reads a value of the graph around this body", "outer"),
    ("was not ", "unfit"),
    ("holds ", "unfit"),
    ("hands on a value that has no grid", "unfit"),
    ("the integer kernel is slow", "slow"),
    ("an integer kernel exists, but", "cost"),
)
#: fields of a grid in schema 1 that only weights used, and fields that only values used
_OF_WEIGHTS, _OF_VALUES = ("axis", "narrow", "codes", "storage"), ("readers", "group")
_INTEGER = {"int8": "kernel", "dynamic": "measured", "integer": "movement", "absorbed": "absorbed"}


def upgraded(document: Mapping[str, object]) -> dict[str, object]:
    """A plan of schema 1 as one of schema 2, both as parsed JSON.

    Invalid content is left in place, so that the validation of schema 2 reports it.
    """
    found = dict(document) | {"schema_version": 2}
    for part, one in (("nodes", _node), ("grids", _grid), ("weights", _weight), ("stored", _weight)):
        entries = document.get(part)
        if isinstance(entries, dict):
            found[part] = {name: one(entry) if isinstance(entry, dict) else entry for name, entry in entries.items()}
    return found


def _grid(grid: Mapping[str, object]) -> dict[str, object]:
    """Upgrade the grid of a value. Fields of weights stay if they are set, and are then refused."""
    found = {name: value for name, value in grid.items() if name not in _OF_WEIGHTS or not (value is None or value is False)}
    for name in ("scale", "zero_point"):
        numbers = found.get(name)
        if isinstance(numbers, list) and len(numbers) == 1:
            found[name] = numbers[0]
    return found


def _weight(grid: Mapping[str, object]) -> dict[str, object]:
    """Upgrade a constant's grid. Fields of values stay if they are set, and are then refused."""
    found = {name: value for name, value in grid.items() if name not in _OF_VALUES or not (value is None or value == "all")}
    storage = found.pop("storage", None)
    if storage is None:
        return found | {"format": "integer"}
    if not isinstance(storage, dict):
        return found | {"storage": storage}
    table = {"channel_axis" if name == "axis" else name: value for name, value in storage.items()}
    return {**found, "format": "codebook", **table}


def _node(node: Mapping[str, object]) -> dict[str, object]:
    return {**node, "because": _because(str(node.get("runs")), str(node.get("reason")))}


def _because(runs: str, reason: str) -> str:
    """What decided, derived from where the node runs and how its reason begins."""
    if runs == "integer" and reason.startswith("an embedding table"):
        return "embedding"
    return _INTEGER.get(runs) or next((because for beginning, because in _FLOAT if reason.startswith(beginning)), "obstacle")
