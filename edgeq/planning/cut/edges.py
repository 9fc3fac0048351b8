"""Costs of a placement that several edges of its graph say together."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeq.planning.cost.facts import Facts
from edgeq.planning.cost.times import ByTime
from edgeq.planning.cut.graph_rows import ValueRow, Vertex, vertex
from edgeq.planning.cut.min_cut import FORBIDDEN, MinCut


def add_path(cut: MinCut, here: Vertex, path: Sequence[ir.Node], cost: int) -> None:
    """Pay the cost where the node is integer and any node of the path is float."""
    if not cost:
        return
    cut.add(here, ("path", here[1]), cost)
    for node in path:
        cut.add(("path", here[1]), vertex(node), FORBIDDEN)


def add_way_back(cut: MinCut, row: ValueRow, costs: Facts | ByTime) -> None:
    """What it costs to hand the value out as float, once or to each reader."""
    if not row.leaves and not row.readers:
        return
    back = costs.dequantize(row.value)
    if row.leaves:
        cut.prefer_sink(row.here, back)
    if costs.each_reader or (len(row.readers) == 1 and not row.leaves):
        for reader in row.readers:
            cut.add(row.here, reader, back)
    elif not row.leaves:
        plain = ("plain", row.name)
        cut.add(row.here, plain, back)
        for reader in row.readers:
            cut.add(plain, reader, FORBIDDEN)
