"""Several runs side by side: what tells them apart, and their figures in one table."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.report.page.document import Page, RunPage

Row = tuple[str, tuple[str, ...]]


def page_of(runs: Sequence[RunPage], names: Sequence[str] = ()) -> Page:
    """The page of one run, or of several. names: of the files that the runs were read from."""
    if len(runs) == 1:
        return Page(f"edgeq: {runs[0].name}", tuple(runs))
    return Page(f"edgeq: {len(runs)} runs", tuple(runs), _distinct(names), tuple(_table(runs)))


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names without the folders that all of them share, and with a number where they repeat."""
    parts = [name.replace("\\", "/").split("/") for name in names]
    depth = 1
    longest = max(map(len, parts), default=1)
    while depth < longest and len({"/".join(part[-depth:]) for part in parts}) < len(parts):
        depth += 1
    short = ["/".join(part[-depth:]).removesuffix(".json") for part in parts]
    return tuple(name if short.count(name) == 1 else f"{name} ({at + 1})" for at, name in enumerate(short))


def _table(runs: Sequence[RunPage]) -> list[Row]:
    """Rows that every run or some run has: model, settings, figures, gate."""
    labels = list(dict.fromkeys(figure.label for run in runs for figure in run.figures))
    rows: list[Row] = [("Model", tuple(run.name for run in runs)), ("Made", tuple(run.subtitle for run in runs))]
    for label in labels:
        found = [next((figure for figure in run.figures if figure.label == label), None) for run in runs]
        rows.append((label, tuple("-" if one is None else f"{one.value} ({one.note})" for one in found)))
    if any(run.gate != "none" for run in runs):
        rows.append(("Floors", tuple(run.gate for run in runs)))
    return rows
