"""Plans of schema 1, as edgeq wrote them before it told apart for code what it told people: brought
to schema 2 as they are read.
"""

from __future__ import annotations

from collections.abc import Mapping

#: how the reasons of schema 1 began, and what had decided there; the words are those of that time
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
_INTEGER = {"int8": "kernel", "dynamic": "measured", "integer": "movement", "absorbed": "absorbed"}


def upgraded(document: Mapping[str, object]) -> dict[str, object]:
    """A plan of schema 1 as one of schema 2. Both as JSON has them: what is not as it should be is
    left for the validation of schema 2 to name.
    """
    found = dict(document) | {"schema_version": 2}
    nodes = document.get("nodes")
    if isinstance(nodes, dict):
        found["nodes"] = {name: _node(node) if isinstance(node, dict) else node for name, node in nodes.items()}
    return found


def _node(node: Mapping[str, object]) -> dict[str, object]:
    return {**node, "because": _because(str(node.get("runs")), str(node.get("reason")))}


def _because(runs: str, reason: str) -> str:
    """What decided, from where the node runs and how its reason begins: the rule of schema 1."""
    if runs == "integer" and reason.startswith("an embedding table"):
        return "embedding"
    return _INTEGER.get(runs) or next((because for beginning, because in _FLOAT if reason.startswith(beginning)), "obstacle")
