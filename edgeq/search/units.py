"""What returns to float together: a layer with the nodes behind it, or weights of a float layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.refine.draft import Draft
from edgeq.schema.plan import Plan
from edgeq.schema.weights import split_weight_key
from edgeq.search.candidates import INTEGER


class Unit(NamedTuple):
    """Nodes that return to float together."""

    #: names of nodes that run in integers
    integer: tuple[str, ...]
    #: names of float layers whose weights are stored as integers
    stored: tuple[str, ...]


def joined(units: Sequence[Unit]) -> Unit:
    """All of these as one."""
    return Unit(tuple(name for unit in units for name in unit.integer), tuple(name for unit in units for name in unit.stored))


def ranked_units(base: Draft, layers: Sequence[str], *, stored: bool) -> list[Unit]:
    """What a rescue ranks, in graph order: integer layers with the integer nodes behind them and,
    if `stored`, the float layers whose weights are stored as integers.
    """
    found = [Unit(unit, ()) for unit in units_of(base, layers)] if layers else []
    found += [Unit((), (name,)) for name in storing(base.plan)] if stored else []
    place = {str(node.name): index for index, node in enumerate(nodes(base.task.model))}
    return sorted(found, key=lambda unit: min(place[name] for name in (*unit.integer, *unit.stored)))


def storing(plan: Plan) -> tuple[str, ...]:
    """The float layers whose weights the plan stores as integers."""
    return tuple(dict.fromkeys(split_weight_key(key)[0] for key in plan.stored))


def units_of(base: Draft, layers: Sequence[str]) -> list[tuple[str, ...]]:
    """Each layer with the other integer nodes behind it, up to the next layers, in graph order.

    The first one has those before all layers, too. Without them an Add or a movement on 8-bit codes
    would be left between layers in float: its grid, chosen for speed, can cost as much as theirs.
    """
    units: dict[str, list[str]] = {name: [name] for name in layers}
    behind: dict[ir.Value, str] = {}
    for node in nodes(base.task.model):
        name = str(node.name)
        found = [behind[value] for value in node.inputs if value in behind]
        unit = name if name in units else found[-1] if found else layers[0]
        behind.update(dict.fromkeys(node.outputs, unit))
        here = base.plan.nodes[name]
        if name not in units and here.runs in INTEGER and here.because != "embedding":
            units[unit].append(name)
    return [tuple(unit) for unit in units.values()]
