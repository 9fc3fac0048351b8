"""Share out the integer nodes of a plan among its layers, which go float with them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.graph.read import nodes
from edgeq.refine.draft import Draft
from edgeq.search.candidates import INTEGER


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
