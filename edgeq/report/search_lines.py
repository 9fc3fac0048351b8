"""Show a search on a terminal: what was chosen and why, and the points that nothing else beats."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.metrics.metric import metric_text
from edgeq.search.verdict import Search


def search_lines(search: Search | None) -> list[RenderableType]:
    """The section on the search; empty when there was none."""
    if search is None:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in ("", "SQNR dB", search.metric or "top1", "in integers", "x float", "kB"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=bool(column))
    table.add_column("candidate", overflow="fold")
    for point in search.points:
        style = "bold green" if point.chosen else ""
        cells = (
            ">" if point.chosen else "",
            f"{point.sqnr_db:.1f}",
            "-" if point.accuracy is None else metric_text(point.accuracy, share=search.share),
            f"{point.integer_pct:.0f} %",
            "-" if point.ratio is None else f"{point.ratio:.2f}",
            f"{point.bytes / 1e3:.0f}",
            point.name,
        )
        table.add_row(*(Text(cell, style) for cell in cells))
    return [Text(f"objective {search.objective}: {search.why}"), Text(judged_on(search), "dim"), table]


def judged_on(search: Search) -> str:
    """Which data the candidates were judged on, and what that means for the figures."""
    held = "held-out " if search.on == "held_out" else ""
    on = f"{search.tried} candidate{'s' * (search.tried != 1)} judged on {search.samples} {held}samples of {search.data}"
    if search.on != "calibration":
        return f"{on}; the figures of this report are from the same samples."
    return f"{on}, which also calibrated: the figures flatter. `edgeq compare` on other data gives honest figures."
