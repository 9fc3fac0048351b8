"""What a rule finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One fact of the target that one node breaks. observed: what the model has; fact: what the
    target says; source: where from.
    """

    node: str
    op_type: str
    rule: str
    observed: str
    fact: str
    source: str
    fix: str
