"""A report of a graph of any number of nodes, which no model was run for."""

from __future__ import annotations

from dataclasses import replace

from edgeq.report.detail.detail import Detail, NodeDetail
from edgeq.report.report import Report
from tests.reports import full_report


def large_report(count: int) -> Report:
    """A chain of layers in groups of 40, with a way around every fourth node."""
    nodes = []
    for at in range(count):
        reads = ("x",) if not at else (f"v{at - 1}",) if at % 4 or at < 3 else (f"v{at - 1}", f"v{at - 3}")
        runs = "vanished" if at % 5 == 4 else "int8"
        nodes.append(
            NodeDetail(f"/layer.{at // 40}/n{at}", "Conv", runs, "QLinearConv", "integer kernel", 1000, reads, (f"v{at}",), 400, 100)
        )  # type: ignore[arg-type]
    return replace(full_report(), detail=Detail(tuple(nodes), (), 0, None))
