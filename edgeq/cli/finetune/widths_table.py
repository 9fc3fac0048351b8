"""What `edgeq finetune --bits 8,4,2` tells, a line a width: size, accuracy before and after
training, and whether that was needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.palettize.widths import Width
from edgeq.report.figures import decibels
from edgeq.report.report import Report

MIB = 2**20


@dataclass(frozen=True)
class Figures:
    """One model of a width. accuracy: top-1, 0..1, or another metric of the data; None: no labels.
    missed: a line for each floor missed.
    """

    accuracy: float | None
    sqnr_db: float | None
    top1_agreement: float | None
    missed: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What came of one width. after: None where there was no need to train. kept: which of the two
    was written, to `model`.
    """

    bits: int
    size_bytes: int
    size_mib: float
    before: Figures
    after: Figures | None
    kept: str
    model: str | None
    plan: str | None


@dataclass(frozen=True)
class WidthsReport:
    """All widths, in the order asked for, and the float model. metric: of the accuracies. samples:
    that were judged on.
    """

    model: str
    float_bytes: int
    float_accuracy: float | None
    metric: str | None
    samples: int
    max_drop: float | None
    widths: tuple[Row, ...]


def row_of(width: Width, model: str | None, plan: str | None) -> Row:
    """model, plan: where they were written."""
    size = width.made.report.size.int8_bytes
    after = None if width.after is None else _figures(width.after.report)
    kept = "before" if width.made is width.before else "after"
    return Row(width.bits, size, size / MIB, _figures(width.before.report), after, kept, model, plan)


def report_of(first: Report, rows: tuple[Row, ...]) -> WidthsReport:
    """first: of any of the models."""
    accuracy, found = first.accuracy, first.fidelity
    metric, of_float = (None, None) if accuracy is None else (accuracy.metric, accuracy.float)
    samples = 0 if found is None else found.samples
    return WidthsReport(first.model, first.size.float_bytes, of_float, metric, samples, first.recipe.floors.max_drop, rows)


def _figures(report: Report) -> Figures:
    accuracy = None if report.accuracy is None else report.accuracy.int8
    found = report.fidelity
    sqnr, agreement = (None, None) if found is None else (found.sqnr_db, found.top1_agreement)
    return Figures(accuracy, sqnr, agreement, report.missed)


def widths_text(told: WidthsReport) -> RenderableType:
    """The table."""
    measure = told.metric or ("same top-1" if all(row.before.top1_agreement is not None for row in told.widths) else "SQNR")
    head = Text.assemble((told.model, "bold"), f": {told.float_bytes / MIB:.3g} MiB in float")
    if told.float_accuracy is not None:
        head.append(f", {measure} {_accuracy(told, told.float_accuracy)}")
    head.append(f" on {told.samples} samples")
    if told.max_drop is not None:
        head.append(f"; at most {told.max_drop:g} points may be lost")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("bits", "MiB", f"{measure} before", "after"):
        table.add_column(name, justify="right")
    table.add_column("fine-tuning")
    table.add_column("file", overflow="fold")
    for row in told.widths:
        after = "" if row.after is None else _measured(told, row.after)
        file = Text(row.model or "not written")
        table.add_row(str(row.bits), f"{row.size_mib:.3g}", _measured(told, row.before), after, _training(row), file)
    return Group(head, Text(), table)


def _training(row: Row) -> Text:
    if row.after is None:
        return Text("not needed", "green")
    missed = (row.before if row.kept == "before" else row.after).missed
    words = "needed" if row.kept == "after" else "no gain"
    return Text(f"{words}, floor missed", "bold red") if missed else Text(words, "green")


def _measured(told: WidthsReport, figures: Figures) -> str:
    if figures.accuracy is not None:
        return _accuracy(told, figures.accuracy)
    if figures.top1_agreement is not None:
        return f"{100 * figures.top1_agreement:.2f} %, {decibels(figures.sqnr_db)} dB"
    return f"{decibels(figures.sqnr_db)} dB"


def _accuracy(told: WidthsReport, value: float) -> str:
    return f"{100 * value:.2f} %" if told.metric == "top1" else f"{value:.4g}"
