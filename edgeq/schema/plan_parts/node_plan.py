"""The parts of a plan that say where one node runs, and what a search found."""

from __future__ import annotations

from typing import Literal

from edgeq.io.strict_toml import Strict
from edgeq.schema.cost import Slower
from edgeq.schema.plan_parts.because import Because, PlacedAs


class NodePlan(Strict):
    """Where one node runs, and why."""

    op_type: str
    #: the words are explained at NodePlace in edgeq/planning/placement.py
    runs: PlacedAs
    #: what decided it, for code
    because: Because
    #: the same for people
    reason: str
    #: the machine that is faster with floats, where that decided
    slower: Slower | None = None
    #: names of its values; "" for an input that is left out
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    #: bits of the activations that it reads and makes, where it runs in integers
    bits: Literal[8, 16] = 8

    def placed(self, runs: PlacedAs, because: Because, reason: str, slower: Slower | None = None) -> NodePlan:
        """A copy that runs elsewhere, with the cause and the reason."""
        return self._changed({"runs": runs, "because": because, "reason": reason, "slower": slower})

    def with_bits(self, bits: Literal[8, 16]) -> NodePlan:
        """A copy that computes on activations of another width."""
        return self._changed({"bits": bits})

    def with_inputs(self, inputs: tuple[str, ...]) -> NodePlan:
        """A copy that reads other values."""
        return self._changed({"inputs": inputs})


class SearchPlan(Strict):
    """The result of a search and its reason, for people; the plan's other fields implement it."""

    objective: str
    candidate: str
    why: str
    #: number of candidates that were measured
    tried: int
    #: whether the floors held; repeating the plan without data writes this into the model
    gate: Literal["passed", "failed", "none"] = "none"
