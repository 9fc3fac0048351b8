"""Show the report on a terminal: compact, readable at 80 columns, and plain about weaknesses."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.io.reasons import grouped, shown
from edgeq.io.visible import visible
from edgeq.proof.compare import LayerFidelity
from edgeq.proof.proof import Proof
from edgeq.report.codebooks_text import codebook_lines
from edgeq.report.figures import (
    SHOWN_DB,
    accuracy_text,
    bar_share,
    calibration_text,
    colour,
    decibels,
    fidelity_text,
    human_bytes,
    judged_text,
    lucky_text,
    output_lines,
    ran_by_text,
    samples_text,
    skipped_text,
    step_text,
    uncompared_text,
    untimed_text,
)
from edgeq.report.formats import format_lines
from edgeq.report.headline import has_one_figure
from edgeq.report.latency_text import latency_lines
from edgeq.report.on_top import accepted_lines, untouched_lines
from edgeq.report.report import Report
from edgeq.report.search_lines import search_lines
from edgeq.report.snippet import snippet

LAYERS_SHOWN = 5
#: number of lines for outputs and their parts
OUTPUT_LINES_SHOWN = 8
#: stages that took fewer seconds are not shown
SHOWN_FROM_S = 0.05


def report_text(report: Report, out: str = "model.int8.onnx") -> RenderableType:
    """The whole report. out: path from which the closing snippet loads the int8 model."""
    parts: list[RenderableType] = [*accepted_lines(report.accepted), _title(report), *untouched_lines(report.untouched), _facts(report)]
    if report.placement is not None:
        parts += _section("Float nodes, and why", float_nodes(report.placement))
    parts += _section("Search", search_lines(report.search))
    if report.layers:
        parts += _section("Weakest layers", [layer_table(report.layers[:LAYERS_SHOWN])])
    if report.codebooks:
        parts += _section("Codebooks", codebook_lines(report.codebooks))
    if report.formats:
        parts += _section("Number formats", format_lines(report.formats))
    parts += _section("Floors missed", [Text(visible(line), "bold red") for line in report.missed])
    doubts = (*(one.text for one in report.findings), *report.warnings)
    parts += _section("Warnings", [Text.assemble(("! ", "bold yellow"), visible(line)) for line in doubts])
    parts += _section("Notes", [Text(visible(line)) for line in report.notes])
    if report.inputs:
        parts += _section("Run it", [Text(snippet(report, out), "cyan", no_wrap=True, overflow="ignore")])
    return Group(*parts)


def float_nodes(placement: Proof) -> list[RenderableType]:
    """Why nodes run in float; empty when none does."""
    return reasons([(node.name, node.op_type, node.reason) for node in placement.nodes if node.runs_as == "float"])


def reasons(nodes: Sequence[tuple[str, str, str]]) -> list[RenderableType]:
    """Rows (name, operator, reason) grouped by reason, the reason with most nodes first.

    Each row of the table has the number of nodes and their operators on the left, the reason and
    the names on the right.
    """
    groups, more = shown(grouped(nodes))
    if not groups:
        return []
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_column(style="yellow", max_width=18, overflow="fold")
    table.add_column(overflow="fold")
    for group in groups:
        names = Text(f"\n{visible(group.named)}", "dim")
        table.add_row(str(len(group.names)), Text(visible(group.types)), Text(visible(group.cause)).append_text(names))
    return [table, *([Text(f"and {more}: the report in JSON lists every node", "dim")] if more else [])]


def layer_table(layers: Sequence[LayerFidelity]) -> Table:
    """Layers with their SQNR and a bar, in the order given."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=True, header_style="dim")
    table.add_column("SQNR dB", justify="right")
    table.add_column("")
    table.add_column("operator")
    table.add_column("layer", overflow="fold")
    for layer in layers:
        bar = "█" * max(1, round(20 * bar_share(layer.sqnr_db)))
        table.add_row(decibels(layer.sqnr_db), Text(bar, colour(layer.sqnr_db)), Text(visible(layer.op_type)), Text(visible(layer.name)))
    return table


def _title(report: Report) -> Text:
    samples = f" · {samples_text(report.data.samples)} of {visible(report.data.name)}{report.data.told}" if report.data else ""
    tuned = f" ({visible(report.weighed.told)})" if report.weighed and report.weighed.told else ""
    line = f"\ntarget {visible(report.target)}{tuned} · rule {report.rule}{samples}"
    return Text.assemble((visible(report.model), "bold"), line, overflow="fold")


def _facts(report: Report) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("size", _sizes(report))
    _add_fidelity(table, report)
    if report.accuracy is not None:
        table.add_row("accuracy", accuracy_text(report.accuracy))
    for step in report.steps if len(report.steps) > 1 else ():
        table.add_row("", Text(step_text(step), "dim" if step.kept and not (step.lost_db or 0.0) >= SHOWN_DB else "yellow"))
    if report.placement is not None:
        counts, steps = placement_lines(report.placement)
        table.add_row("nodes", counts)
        table.add_row("", steps)
    if report.latency is not None and report.untouched is None:
        figures, words = latency_lines(report.latency)
        table.add_row("latency", figures)
        table.add_row("", words)
    elif report.untimed == "other_architecture":
        table.add_row("latency", untimed_text(report.untimed, report.target))
    table.add_row("took", _times(report))
    if report.gate != "none":
        table.add_row("gate", Text(report.gate, "bold green" if report.gate == "passed" else "bold red"))
    return table


def _sizes(report: Report) -> str:
    before, after = report.size.float_bytes, report.size.int8_bytes
    if report.untouched is not None:
        return f"{human_bytes(before)} float, written as {human_bytes(after)} float"
    return f"{human_bytes(before)} float, {human_bytes(after)} int8 ({after / max(1, before):.2f}x)"


def _add_fidelity(table: Table, report: Report) -> None:
    if report.fidelity is not None:
        table.add_row("fidelity", fidelity_text(report.fidelity))
        for line in () if has_one_figure(report.fidelity) else _some(output_lines(report.fidelity.outputs)):
            table.add_row("", Text(visible(line), "dim"))
    if report.uncompared is not None:
        table.add_row("fidelity", Text(uncompared_text(report.uncompared), "yellow"))
    if report.skipped:
        table.add_row("", Text(skipped_text(report.skipped), "yellow"))
    if report.ran_by is not None:
        table.add_row("", Text(ran_by_text(report.ran_by), "dim"))
    if report.judged is not None:
        table.add_row("", judged_text(report.judged))
    if report.calibration is not None:
        table.add_row("", Text(calibration_text(report.calibration), "dim"))
    if report.lucky is not None:
        table.add_row("", Text(lucky_text(report.lucky), "yellow"))


def placement_lines(placement: Proof) -> tuple[Text, Text]:
    """Two lines on the placement of the nodes.

    The first counts nodes by how they run and gives the share of the work; the second counts the
    conversions between float and integers that are left.
    """
    vanished = sum(node.runs_as == "vanished" for node in placement.nodes)
    text = Text.assemble((f"{placement.int8} int8", "green"), ", ")
    text.append(f"{placement.float} float", "yellow" if placement.float else "green")
    text.append(f", {vanished} fused or folded · {placement.macs_int8_pct:.1f} % of MACs in int8")
    steps = Text(f"Quantize/Dequantize left: {placement.boundary_qdq} at inputs and outputs, ")
    return text, steps.append(f"{placement.inner_qdq} inside", "yellow" if placement.inner_qdq else "")


def _times(report: Report) -> Text:
    stages = {
        name: getattr(report.time_s, name) for name in ("prepare", "calibrate", "plan", "judge", "search", "finetune", "rewrite", "prove")
    }
    known = [f"{name} {seconds:.1f}" for name, seconds in stages.items() if seconds is not None and seconds >= SHOWN_FROM_S]
    total = sum(seconds for seconds in stages.values() if seconds is not None)
    return Text.assemble(f"{total:.1f} s, {report.peak_rss_mb:.0f} MB", (f"  ({', '.join(known)})", "dim"))


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - OUTPUT_LINES_SHOWN
    return [*lines[:OUTPUT_LINES_SHOWN], *([f"and {more} more (see the report in JSON or HTML)"] if more > 0 else [])]


def _section(title: str, lines: Sequence[RenderableType]) -> list[RenderableType]:
    return [Text(f"\n{title}", "bold"), *lines] if lines else []
