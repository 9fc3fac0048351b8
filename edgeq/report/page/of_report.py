"""From the report of a run to what its page shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from edgeq.numerics.output_fidelity import OutputFidelity
from edgeq.report.codebooks_text import codebook_summary
from edgeq.report.detail.detail import Detail, NodeDetail
from edgeq.report.figures import (
    calibration_text,
    human_bytes,
    judged_text,
    lucky_text,
    milliseconds,
    ran_by_text,
    skipped_text,
    step_text,
    uncompared_text,
    untimed_text,
)
from edgeq.report.formats import format_summary
from edgeq.report.headline import has_one_figure
from edgeq.report.page.document import Bar, Db, Line, NodeRow, OutputRow, PointRow, RunPage, SearchPart, StepRow
from edgeq.report.page.draw import draw
from edgeq.report.page.headlines import db, figures_of, pace_line, timed_text, verdict_lines
from edgeq.report.report import Report
from edgeq.report.search_lines import judged_on
from edgeq.report.snippet import snippet
from edgeq.search.verdict import Choice, Search


def run_page(report: Report, out: str = "model.int8.onnx") -> RunPage:
    """What a page shows of a run of quantize, or of fine-tuning.

    out: path from which the code loads the int8 model.
    """
    detail = report.detail
    return RunPage(
        name=base_name(report.model),
        subtitle=_subtitle(report),
        gate=report.gate,
        verdict=verdict_lines(report),
        pace=pace_line(report),
        figures=figures_of(report),
        sqnr_db=None if report.fidelity is None else db(report.fidelity.weakest.sqnr_db),
        remarks=tuple(_remarks(report)),
        notes=_notes(report),
        bars=_bars(report),
        timed="" if report.latency is None or report.untouched is not None else timed_text(report.latency),
        nodes=tuple(_rows(report)),
        proven=report.placement is not None,
        values=() if detail is None else detail.values,
        samples=0 if detail is None else detail.samples,
        times=None if detail is None or detail.times is None else replace(detail.times, nodes=()),  # rows have them
        drawing=None if detail is None else draw(detail.nodes, [port.name for port in report.outputs]),
        outputs=tuple(output_rows(report.fidelity.outputs)) if report.fidelity and not has_one_figure(report.fidelity) else (),
        steps=tuple(StepRow(one.name, db(one.sqnr_db), one.kept, step_text(one)) for one in report.steps),
        search=None if report.search is None else _search(report.search),
        training=report.training,
        codebooks=report.codebooks,
        codebooks_told=codebook_summary(report.codebooks) if report.codebooks else "",
        formats=report.formats,
        formats_told=format_summary(report.formats) if report.formats else "",
        code=snippet(report, out) if report.inputs else "",
        made=tuple(_made(report)),
    )


def base_name(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _subtitle(report: Report) -> str:
    tuned = f" ({report.weighed.told})" if report.weighed is not None and report.weighed.told else ""
    data = "" if report.data is None else f", {report.data.samples} samples of {report.data.name}{report.data.told}"
    return f"int8 for target {report.target}{tuned}, rule {report.rule}{data}"


def _remarks(report: Report) -> Iterator[Line]:
    if report.uncompared is not None:
        yield Line(f"Fidelity {uncompared_text(report.uncompared)}", "fair")
    if report.skipped:
        yield Line(f"Steps {skipped_text(report.skipped)}", "fair")
    if report.ran_by is not None:
        yield Line(ran_by_text(report.ran_by).capitalize())
    if report.judged is not None:
        judged = judged_text(report.judged)
        parts = [judged if judged.startswith("on ") else f"on {judged}"]
        parts += [] if report.calibration is None else [calibration_text(report.calibration)]
        parts += [] if report.lucky is None else [lucky_text(report.lucky)]
        yield Line(f"Judged {'; '.join(parts)}")
    if report.untimed == "other_architecture":
        yield Line(f"Time {untimed_text(report.untimed, report.target)}")


def _notes(report: Report) -> tuple[Line, ...]:
    missed = (Line(line, "poor") for line in report.missed)
    return (
        *missed,
        *(Line(one.text, "fair") for one in report.findings),
        *(Line(line, "fair") for line in report.warnings),
        *map(Line, report.notes),
    )


def _bars(report: Report) -> tuple[Bar, ...]:
    size = report.size
    bars = [Bar("float, size", "float", size.float_bytes, human_bytes(size.float_bytes))]
    if report.untouched is not None:
        return tuple(bars)
    bars.append(Bar("int8, size", "int8", size.int8_bytes, human_bytes(size.int8_bytes)))
    if report.latency is not None:
        before, after = milliseconds(report.latency)
        bars += [Bar("float, time", "float", report.latency.float_ms, before), Bar("int8, time", "int8", report.latency.int8_ms, after)]
    return tuple(bars)


def _rows(report: Report) -> Iterator[NodeRow]:
    """The nodes, with all that is known of them."""
    measured = {layer.name: db(layer.sqnr_db) for layer in report.layers}
    detail, placement = report.detail, report.placement
    if detail is None:
        listed = () if placement is None else placement.nodes
        known = {row.name for row in listed}
        for row in listed:
            yield NodeRow(row.name, row.op_type, row.runs_as, row.reason, "", row.macs, sqnr_db=measured.get(row.name))
        for layer in report.layers:
            if layer.name not in known:
                yield NodeRow(layer.name, layer.op_type, "float", "", "", sqnr_db=db(layer.sqnr_db))
        return
    times = {} if detail.times is None else {one.name: one for one in detail.times.nodes}
    behind = _Behind(detail, measured)
    for node in detail.nodes:
        time = times.get(node.name)
        sqnr_db = measured.get(node.name) if node.runs_as == "vanished" else behind.sqnr(node)
        yield NodeRow(
            node.name, node.op_type, node.runs_as, node.ran, node.reason, node.macs, node.float_bytes, node.bytes, sqnr_db,
            None if time is None else time.float_ms, None if time is None else time.int8_ms, node.reads, node.makes,
        )  # fmt: skip


class _Behind:
    """Finds the SQNR of what a fused kernel makes."""

    def __init__(self, detail: Detail, measured: Mapping[str, Db]) -> None:
        self.measured = measured
        self.readers: dict[str, list[NodeDetail]] = {}
        for node in detail.nodes:
            for name in dict.fromkeys(node.reads):
                self.readers.setdefault(name, []).append(node)

    def sqnr(self, node: NodeDetail) -> Db:
        """The SQNR of the last of the nodes that vanished into the kernel of a node, or its own.

        These stand behind it in a line.
        """
        found = self.measured.get(node.name)
        at: NodeDetail | None = node
        while at is not None:
            readers = self.readers.get(at.makes[0], []) if at.makes else []
            at = readers[0] if len(readers) == 1 and readers[0].runs_as == "vanished" else None
            if at is not None and at.name in self.measured:
                found = self.measured[at.name]
        return found


def output_rows(outputs: tuple[OutputFidelity, ...]) -> Iterator[OutputRow]:
    """Every output and its parts, in the order given."""
    for output in outputs:
        note = f"{100 * output.equal:.2f} % of the elements are equal" if output.equal is not None else ""
        yield OutputRow(output.name, "", db(output.sqnr_db), output.max_error, "not compared" if output.compared == 0 else note)
        for part in output.parts:
            yield OutputRow(output.name, part.name, db(part.sqnr_db), part.max_error)


def _search(search: Search) -> SearchPart:
    points = [_point(point, True) for point in search.points] + [_point(point, False) for point in search.beaten]
    return SearchPart(search.objective, search.why, judged_on(search), search.metric or "top1", search.share, tuple(points))


def _point(point: Choice, front: bool) -> PointRow:
    return PointRow(point.name, point.chosen, front, db(point.sqnr_db), point.accuracy, point.integer_pct, point.bytes, point.ratio)


def _made(report: Report) -> Iterator[tuple[str, str]]:
    for stage in fields(report.time_s):
        seconds = getattr(report.time_s, stage.name)
        if seconds is not None:
            yield stage.name, f"{seconds:.2f} s"
    yield "peak memory", f"{report.peak_rss_mb:.0f} MB"
    if report.mark:
        yield "model file", report.mark
    if report.data is not None:
        yield "data sha256", report.data.hash
    yield "recipe sha256", report.recipe.hash
    yield from report.versions.items()
