"""A comparison on one model: every tool run, judged, and laid out as a table."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures.rows import OURS, Row, Run
from benchmarks.measures.feeds import feeds
from benchmarks.measures.fidelity import Fidelity, fidelity
from benchmarks.measures.latency import Ratio, latency, paired
from benchmarks.measures.placement import Placement, placement
from benchmarks.measures.processes import run_process
from benchmarks.measures.sessions import fixed_batch, open_session, ranks
from benchmarks.peers.tools import command_of, last_line

#: exit code of the program `timeout` for a command that it has stopped
STOPPED = 124


@dataclass(frozen=True)
class Entry:
    """What one tool in one mode came to. error is empty when it worked."""

    tool: str
    mode: str
    time_s: float
    peak_mb: float
    error: str = ""
    bytes: int = 0
    fidelity: Fidelity | None = None
    placement: Placement | None = None
    to_float: Ratio | None = None
    ms: float | None = None
    cpu_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.tool}:{self.mode}"


@dataclass(frozen=True)
class Result:
    """A whole comparison. pairs: latency of 'a / b' as paired ratios."""

    model: str
    float_bytes: int
    float_ms: float | None
    float_placement: Placement
    threads: int
    entries: tuple[Entry, ...]
    pairs: dict[str, Ratio]


def produce(tool: str, mode: str, model: Path, out: Path, calib: Path, samples: int) -> Entry:
    """Run one tool; a crash, or a result that cannot be loaded, becomes an entry with an error."""
    return entry_of(tool, mode, command_of(tool, mode, model, out, calib, samples), out)


def entry_of(tool: str, mode: str, command: Sequence[str], out: Path, limit_s: int | None = None) -> Entry:
    """Run a command that writes `out`: see produce. limit_s: the most seconds that it gets."""
    run = run_process(command if limit_s is None else ["timeout", str(limit_s), *command])
    entry = Entry(tool, mode, run.seconds, run.peak_mb, cpu_s=run.cpu_s)
    if limit_s is not None and run.code == STOPPED:
        return replace(entry, error="not finished")
    if run.code != 0 or not out.exists():
        return replace(entry, error=last_line(run))
    try:
        return replace(entry, bytes=out.stat().st_size, placement=placement(out))
    except Exception as error:  # whatever the runtime says about a peer's file is the finding
        return replace(entry, error=f"result does not load: {str(error)[:160]}")


def file_of(folder: Path, tool: str, mode: str) -> Path:
    return folder / f"{tool}_{mode}.onnx"


def compare(model: Path, calib: Path, data: Path, args: argparse.Namespace, folder: Path) -> Result:
    """Every tool and mode on one model; the quantized models are left in `folder`."""
    wanted = [("edgeq", rule) for rule in args.edgeq] + [("ort", mode) for mode in args.peers]
    entries = [produce(tool, mode, model, file_of(folder, tool, mode), calib, args.samples) for tool, mode in wanted]
    return judge(model, entries, data, args, folder)


def judge(model: Path, entries: Sequence[Entry], data: Path, args: argparse.Namespace, folder: Path) -> Result:
    """Measure what the tools have left in `folder`, side by side."""
    good = {entry.name: file_of(folder, entry.tool, entry.mode) for entry in entries if not entry.error}
    quality = fidelity(model, good, data, args.limit, args.batch)
    session = open_session(model)
    feed = next(feeds(data, ranks(session), None, fixed_batch(session) or 1))
    times = latency({"float": model, **good}, feed, args.rounds, args.threads)
    ratios = {name: paired(times[name], times["float"]) for name in good}
    middle = {name: statistics.median(times[name]) for name in times}
    done = tuple(e if e.error else replace(e, fidelity=quality[e.name], to_float=ratios[e.name], ms=middle[e.name]) for e in entries)
    ours, theirs = [n for n in good if n.startswith("edgeq:")], [n for n in good if not n.startswith("edgeq:")]
    pairs = {f"{a} / {b}": paired(times[a], times[b]) for a in ours for b in theirs}
    return Result(model.stem, model.stat().st_size, middle["float"], placement(model), args.threads, done, pairs)


def rows_of(group: str, name: str, result: Result, run: Run) -> list[Row]:
    """The rows of one comparison, for tables and figures of many."""
    rows = []
    for entry in result.entries:
        tool = OURS if entry.name == "edgeq:default" else entry.name
        sqnr = None if entry.fidelity is None else round(entry.fidelity.exact_db, 2)
        ratio = None if entry.to_float is None else round(entry.to_float.median, 3)
        size = None if entry.error else round(entry.bytes / result.float_bytes, 3)
        cost = round(entry.cpu_s, 1), round(entry.peak_mb)
        rows.append(Row(group, name, tool, sqnr, ratio, size, *cost, run.machine, run.date, run.load, run.commit, entry.error))
    return rows


def table(result: Result) -> str:
    """The result as a Markdown table."""
    head = "| tool | sqnr dB | exact dB | agree | MB | time s | peak MB | ms | x float | int | float | qdq |\n|" + "---|" * 12
    megabytes, threads = result.float_bytes / 1e6, result.threads or "all"
    lines = [f"{result.model}: float {megabytes:.2f} MB, {result.float_ms:.3f} ms with {threads} threads", "", head]
    lines += [f"| {e.name} | {e.error or _cells(e)} |" for e in result.entries]
    lines += ["", *(f"latency {name}: {r.median:.3f} ({r.low:.3f} .. {r.high:.3f})" for name, r in result.pairs.items())]
    return "\n".join(lines)


def _cells(e: Entry) -> str:
    if e.fidelity is None or e.placement is None or e.to_float is None:
        return "not measured"
    agree = "" if e.fidelity.agreement is None else f"{e.fidelity.agreement:.4f}"
    quality = f"{e.fidelity.sqnr_db:.3f} | {e.fidelity.exact_db:.3f} | {agree}"
    cost = f"{e.bytes / 1e6:.3f} | {e.time_s:.2f} | {e.peak_mb:.0f} | {e.ms:.3f} | {e.to_float.median:.3f}"
    return f"{quality} | {cost} | {e.placement.integer} | {e.placement.float} | {e.placement.qdq}"
