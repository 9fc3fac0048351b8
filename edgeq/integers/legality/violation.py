"""The finding of a legality rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One fact of the target that one node breaks."""

    #: name of the node; empty for the whole model
    node: str
    #: empty for the whole model
    op_type: str
    #: short name of the rule
    rule: str
    #: what the model has
    observed: str
    #: what the target requires
    fact: str
    #: where the target's fact comes from
    source: str
    #: what the user can do
    fix: str
