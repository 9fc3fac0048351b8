"""A report of a graph of any number of nodes, which no model was run for."""

from __future__ import annotations

from dataclasses import replace

from edgeq.report.detail.detail import Detail, Histogram, NodeDetail, ValueDetail
from edgeq.report.report import Report
from tests.reports import full_report


def large_report(count: int) -> Report:
    """A chain of layers in groups of 40, with a way around every fourth node, and all its grids."""
    nodes, values = [], []
    for at in range(count):
        reads = ("x",) if not at else (f"v{at - 1}",) if at % 4 or at < 3 else (f"v{at - 1}", f"v{at - 3}")
        runs = "vanished" if at % 5 == 4 else "int8"
        nodes.append(
            NodeDetail(f"/layer.{at // 40}/n{at}", "Conv", runs, "QLinearConv", "integer kernel", 1000, reads, (f"v{at}",), 400, 100)
        )  # type: ignore[arg-type]
        scale = 0.01 + at / 7919
        counts = tuple((at * 31 + bin * bin * 17) % 997 for bin in range(48))
        grid = Histogram(-128 * scale, 127.25 * scale, counts, 0.001)
        reason = f"rule mse kept [{-128 * scale:g}, {127 * scale:g}] of what was seen"
        values.append(ValueDetail(f"v{at}", "activation", "uint8", scale, scale, 1, 128, -128 * scale, 127 * scale, "mse", reason, grid))
    return replace(full_report(), detail=Detail(tuple(nodes), tuple(values), 16, None))
