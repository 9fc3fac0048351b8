"""Explain one node from its plan: where it runs and why, and the grid of every value it touches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from edgeq.errors import BadPlan, BadRecipe
from edgeq.io.writing.card import Card, Facts
from edgeq.schema.cost import Slower
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import PlacedAs, Plan
from edgeq.schema.weights import WeightPlan, weight_key

#: largest number of similar names suggested for an unknown one
SUGGESTIONS = 5

Role = Literal["input", "weight", "bias", "output"]


@dataclass(frozen=True)
class ValueGrid:
    """One value that the node reads or produces."""

    role: Role
    name: str
    #: None for a value that stays float, and for a bias, whose scale is the product of two others
    grid: GridPlan | WeightPlan | None


@dataclass(frozen=True, repr=False)
class Explanation(Card):
    """One node: where it runs, why, and the values it touches."""

    #: the node's name in the plan
    node: str
    op_type: str
    runs: PlacedAs
    #: why it runs there, for people
    reason: str
    #: the inputs in the node's order, then the outputs
    values: tuple[ValueGrid, ...]
    #: the machine that is faster with floats, where that decided
    slower: Slower | None = None

    def facts(self) -> Facts:
        """What a line and a table show."""
        grids = ((f"{value.role} {value.name}", "float" if value.grid is None else str(value.grid.dtype)) for value in self.values)
        return Facts(f"{self.node}, {self.op_type}", (("runs", self.runs), ("reason", self.reason), *grids))


def explain(plan: Plan, name: str, where: str) -> tuple[Explanation, ...]:
    """The node called `name`; for a value's name, its producer and its readers.

    where: the plan's file, for messages. Raises BadRecipe with similar names if there is no such
    node or value.
    """
    found = [name] if name in plan.nodes else [node for node, facts in plan.nodes.items() if name in (*facts.inputs, *facts.outputs)]
    if not found:
        raise BadRecipe(f"The plan has no node or value named {name!r}.", where, _suggest(plan, name))
    return tuple(_explain(plan, node) for node in found)


def check_plan_hash(plan: Plan, text: str, recorded: str | None, model: str) -> None:
    """Raise BadPlan unless the plan is the one that the int8 model was made from.

    text: content of the plan's file. recorded: the model's metadata edgeq.plan, a hash of the plan
    or of its text; the latter counts because both may have been written in an earlier schema.
    model: the model's file, for messages.
    """
    if recorded is None:
        raise BadPlan(
            "The model does not say which plan made it: it was not made by edgeq.",
            model,
            "Give the int8 model that edgeq wrote, or its plan.",
        )
    if recorded not in (plan.hash, hashlib.sha256(text.encode()).hexdigest()):
        fix = "Find the plan that was written with this model, or quantize again."
        raise BadPlan("The plan beside the model is not the one that made it (hashes differ).", model, fix)


def _explain(plan: Plan, node: str) -> Explanation:
    facts = plan.nodes[node]
    values = [_input(plan, node, index, name) for index, name in enumerate(facts.inputs) if name]
    values += [ValueGrid("output", name, plan.grids.get(name)) for name in facts.outputs if name]
    return Explanation(node, facts.op_type, facts.runs, facts.reason, tuple(values), facts.slower)


def _input(plan: Plan, node: str, index: int, name: str) -> ValueGrid:
    weight = plan.weights.get(weight_key(node, index))
    if weight is not None:
        return ValueGrid("weight", name, weight)
    made = any(name in other.outputs for other in plan.nodes.values())
    is_bias = index == 2 and not made and name not in plan.grids and weight_key(node, 1) in plan.weights
    return ValueGrid("bias" if is_bias else "input", name, plan.grids_read(node).get(name))


def _suggest(plan: Plan, name: str) -> str:
    """Suggest names with similar spelling, or names that contain the word."""
    values = [value for facts in plan.nodes.values() for value in facts.outputs]
    known = list(dict.fromkeys([*plan.nodes, *values]))
    holding = [known_name for known_name in known if name.lower() in known_name.lower()]
    near = list(dict.fromkeys([*get_close_matches(name, known, SUGGESTIONS, 0.5), *holding]))[:SUGGESTIONS]
    return (
        f"Did you mean {', '.join(near)}?"
        if near
        else f"Use one of its {len(plan.nodes)} nodes, such as {', '.join(list(plan.nodes)[:3])}."
    )
