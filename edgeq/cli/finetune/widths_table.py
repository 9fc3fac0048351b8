"""The report of `edgeq finetune --bits 8,4,2`: size and accuracy of each width, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.few_bits.widths import Width
from edgeq.metrics.metric import metric_text
from edgeq.report.figures import decibels
from edgeq.report.quantized import Quantized
from edgeq.report.report import Report

MIB = 2**20


@dataclass(frozen=True)
class Figures:
    """The accuracy and fidelity of one model."""

    #: top-1 accuracy in 0..1, or another metric of the data; None: the data has no labels
    accuracy: float | None
    #: SQNR of the weakest output or part of one, in dB; None: it was not measured
    sqnr_db: float | None
    #: share of samples with the float model's arg-max, in 0..1; None: no class scores
    top1_agreement: float | None
    #: one line for each missed floor
    missed: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """The result of one width."""

    bits: int
    #: size of the file
    size_bytes: int
    size_mib: float
    #: figures of the model before training
    before: Figures
    #: figures after training; None: training was not needed
    after: Figures | None
    #: which of the two models was kept
    kept: Literal["before", "after"]
    #: path of the model; None: it was not written, since it misses a floor
    model: str | None
    #: path of its plan; None: it was not written
    plan: str | None


@dataclass(frozen=True)
class WidthsReport:
    """The results of all widths, and the figures of the float model."""

    #: path of the float model
    model: str
    #: size of its file, in bytes
    float_bytes: int
    #: its accuracy on the same data; None: the data has no labels
    float_accuracy: float | None
    #: the metric of the accuracies; None: the data has no labels
    metric: str | None
    #: whether it is a share in 0..1
    share: bool
    #: number of samples on which the models were measured
    samples: int
    #: the largest accepted drop in accuracy, in percentage points; None: no limit
    max_drop: float | None
    #: one row per width, in the requested order
    widths: tuple[Row, ...]


def row_of(width: Width[Quantized], model: str | None, plan: str | None) -> Row:
    """The row of one width. model, plan: where they were written; None: they were not."""
    size = width.made.report.size.int8_bytes
    after = None if width.after is None else _figures(width.after.report)
    kept: Literal["before", "after"] = "before" if width.made is width.before else "after"
    return Row(width.bits, size, size / MIB, _figures(width.before.report), after, kept, model, plan)


def report_of(first: Report, rows: tuple[Row, ...]) -> WidthsReport:
    """The report on all widths. first: the report of any of the models, for the common figures."""
    accuracy, found = first.accuracy, first.fidelity
    metric, of_float, share = (None, None, True) if accuracy is None else (accuracy.metric, accuracy.float, accuracy.share)
    samples = 0 if found is None else found.samples
    return WidthsReport(first.model, first.size.float_bytes, of_float, metric, share, samples, first.recipe.floors.max_drop, rows)


def _figures(report: Report) -> Figures:
    accuracy = None if report.accuracy is None else report.accuracy.int8
    found = report.fidelity
    sqnr, agreement = (None, None) if found is None else (found.weakest.sqnr_db, found.lowest_agreement)
    return Figures(accuracy, sqnr, agreement, report.missed)


def widths_text(told: WidthsReport) -> RenderableType:
    """The text of the report: a line on the float model, then a table with a row per width."""
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
    return metric_text(value, share=told.share)
