"""Rows of what was measured, one a model and tool, in CSV files: runs write them, figures read."""

from __future__ import annotations

import csv
import datetime
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.measures.machine import describe
from benchmarks.measures.model_zoo import ROOT

#: the rows that are part of the project
FOLDER = ROOT / "benchmarks" / "figures" / "rows"
#: the name of edgeq's own rows; all others are peers
OURS = "edgeq"


@dataclass(frozen=True)
class Row:
    """One tool on one model. A number that was not measured is None."""

    #: the collection that the model is of
    group: str
    model: str
    #: `edgeq`, or the name of a peer with its mode
    tool: str
    #: SQNR of the first output on held-out samples without the saturation of kernels for processors
    #: that lack VNNI, so that rows of several machines can stand together
    sqnr_db: float | None
    #: latency, int8 over float: median of paired ratios, one thread, batch 1
    x_float: float | None
    #: size of the file over that of the float file
    x_size: float | None
    #: CPU seconds and largest resident set of the whole process
    cpu_s: float | None
    peak_mb: float | None
    #: processor, its instructions; when; load average; commit of edgeq
    machine: str
    date: str
    load: str
    commit: str
    #: what went wrong; empty: nothing did
    error: str = ""


@dataclass(frozen=True)
class Run:
    """Where and when rows are measured."""

    machine: str
    date: str
    load: str
    commit: str

    @classmethod
    def now(cls) -> Run:
        """This machine at this moment."""
        facts = describe()
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        machine = f"{facts['processor']}, {facts['integer instructions']}, {facts['cores']} cores"
        return cls(machine, datetime.date.today().isoformat(), f"{os.getloadavg()[0]:.1f}", done.stdout.strip() or "unknown")


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """The rows of CSV files by group, model and tool; of two alike, the later one counts."""
    found: dict[tuple[str, str, str], Row] = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                row = _row(line)
                found[row.group, row.model, row.tool] = row
    return [found[key] for key in sorted(found)]


def _row(line: dict[str, str]) -> Row:
    numbers = {name: float(line[name]) if line[name] else None for name in ("sqnr_db", "x_float", "x_size", "cpu_s", "peak_mb")}
    words = {name: line[name] for name in ("group", "model", "tool", "machine", "date", "load", "commit", "error")}
    return Row(**words, **numbers)  # type: ignore[arg-type]  # the keys are the fields


#: what a table shows of a row: the head, the field, its digits
COLUMNS = (("dB", "sqnr_db", 1), ("x float", "x_float", 2), ("x size", "x_size", 2), ("CPU s", "cpu_s", 1), ("peak MB", "peak_mb", 0))
#: beside more peers, every tool has a line of its own
PEERS_BESIDE = 2


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown tables: one line a model, edgeq beside each peer; then groups with many peers."""
    tools = {group: {row.tool for row in rows if row.group == group} - {OURS} for group in dict.fromkeys(row.group for row in rows)}
    crowded = [row for row in rows if len(tools[row.group]) > PEERS_BESIDE]
    lines = _beside([row for row in rows if len(tools[row.group]) <= PEERS_BESIDE])
    return [*lines, "", *_below_each_other(crowded)] if crowded else lines


def _beside(rows: Sequence[Row]) -> list[str]:
    peers = sorted({row.tool for row in rows if row.tool != OURS})
    heads = [f"{tool} {head}" for head, _, _ in COLUMNS for tool in (OURS, *peers)]
    lines = ["| model | " + " | ".join(heads) + " |", "|" + "---|" * (len(heads) + 1)]
    for group, model in dict.fromkeys((row.group, row.model) for row in rows):
        own = {row.tool: row for row in rows if (row.group, row.model) == (group, model)}
        cells = [_cell(own.get(tool), name, digits) for _, name, digits in COLUMNS for tool in (OURS, *peers)]
        lines.append(f"| {model} ({group}) | " + " | ".join(cells) + " |")
    return lines


def _below_each_other(rows: Sequence[Row]) -> list[str]:
    lines = ["| model | tool | " + " | ".join(head for head, _, _ in COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 2)]
    for row in sorted(rows, key=lambda one: (one.group, one.model, one.tool != OURS, one.tool)):
        cells = [_cell(row, name, digits) for _, name, digits in COLUMNS]
        lines.append(f"| {row.model} ({row.group}) | {row.tool} | " + " | ".join(cells) + " |")
    return lines


def _cell(row: Row | None, name: str, digits: int) -> str:
    value = None if row is None else getattr(row, name)
    return "failed" if row is not None and row.error and name == "sqnr_db" else "" if value is None else f"{value:.{digits}f}"
