"""From the report of storing a float model's weights in few bits to what its page shows."""

from __future__ import annotations

from edgeq.report.codebooks_text import codebook_summary
from edgeq.report.figures import human_bytes, judged_text
from edgeq.report.float_report import FloatReport
from edgeq.report.formats import format_summary
from edgeq.report.headline import has_one_figure
from edgeq.report.page.document import Bar, Figure, Line, RunPage
from edgeq.report.page.headlines import closeness, db, near_figures, shrunk, size_figure
from edgeq.report.page.of_report import base_name, output_rows


def float_page(report: FloatReport) -> RunPage:
    """What a page shows of a model that still computes in float."""
    size, fidelity = report.size, report.fidelity
    few = [(one.float_bytes // 4, one.bytes) for one in report.codebooks] + [(one.float_bytes // 4, one.bytes) for one in report.formats]
    bits = 8 * sum(stored for _, stored in few) / max(sum(weights for weights, _ in few), 1)
    judged = "" if report.judged is None else judged_text(report.judged).removeprefix("on ")
    return RunPage(
        name=base_name(report.model),
        subtitle=f"weights in few bits, computed in float; written to {base_name(report.out)}",
        gate="none",
        verdict=(*(Line(f"Doubtful data: {line}", "poor") for line in report.accepted), closeness(fidelity, None, shrunk(size))),
        pace=None,
        figures=(
            size_figure(size),
            Figure("Bits per weight", f"{bits:.2f}", f"in {len(few)} stored weights, tables and scales included"),
            *near_figures(fidelity, None),
        ),
        sqnr_db=None if fidelity is None else db(fidelity.weakest.sqnr_db),
        remarks=(Line(f"Judged on {judged}"),) if judged else (),
        notes=tuple(Line(line, "fair") for line in report.warnings),
        bars=(
            Bar("before, size", "float", size.float_bytes, human_bytes(size.float_bytes)),
            Bar("after, size", "int8", size.int8_bytes, human_bytes(size.int8_bytes)),
        ),
        outputs=tuple(output_rows(fidelity.outputs)) if fidelity is not None and not has_one_figure(fidelity) else (),
        codebooks=report.codebooks,
        codebooks_told=codebook_summary(report.codebooks) if report.codebooks else "",
        formats=report.formats,
        formats_told=format_summary(report.formats) if report.formats else "",
        left=report.left,
        made=(("model file", report.mark),) if report.mark else (),
    )
