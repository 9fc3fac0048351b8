"""The finding of a legality rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeq.io.writing.card import Card, Facts


@dataclass(frozen=True, repr=False)
class Violation(Card):
    """One fact of the target that one node breaks, or something else to be warned of."""

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
    #: fact: the target's, and the model is not legal there. warning: the model is legal, and a user
    #: should know it
    breaks: Literal["fact", "warning"] = "fact"

    def facts(self) -> Facts:
        """What a line and a table show."""
        rows = ("breaks", self.breaks), ("has", self.observed), ("target", self.fact), ("fix", self.fix)
        return Facts(f"{self.rule} at {self.node or 'the model'}", rows)
