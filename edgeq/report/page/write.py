"""Render the report as one self-contained HTML file.

The file needs no network and suits light and dark displays; every string of the model is escaped.
"""

from __future__ import annotations

import math
from importlib.resources import files
from typing import TYPE_CHECKING

from edgeq.errors import MissingExtra
from edgeq.io.visible import visible
from edgeq.metrics.metric import metric_text
from edgeq.numerics.output_fidelity import agreement_name
from edgeq.report.codebooks import CodebookLayer
from edgeq.report.codebooks_text import codebook_summary
from edgeq.report.figures import (
    bar_share,
    calibration_text,
    decibels,
    grade,
    human_bytes,
    judged_text,
    lucky_text,
    milliseconds,
    skipped_text,
    step_text,
    threads_text,
    uncompared_text,
)
from edgeq.report.formats import format_summary
from edgeq.report.headline import has_one_figure
from edgeq.report.report import Report, verdict
from edgeq.report.search_lines import judged_on
from edgeq.report.snippet import snippet

if TYPE_CHECKING:
    from jinja2 import Environment


def to_html(report: Report, out: str = "model.int8.onnx") -> str:
    """The report as HTML text.

    out: path from which the snippet loads the int8 model. Raises MissingExtra without jinja2.
    """
    template = _environment().from_string((files("edgeq.report") / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        name=report.model.replace("\\", "/").rsplit("/", 1)[-1],
        verdict=verdict(report.latency) if report.latency and report.untouched is None else None,
        times=milliseconds(report.latency) if report.latency else None,
        searched=judged_on(report.search) if report.search else None,
        judged=judged_text(report.judged) if report.judged else None,
        calibration=calibration_text(report.calibration) if report.calibration else None,
        lucky=lucky_text(report.lucky) if report.lucky else None,
        agreement=agreement_name(report.fidelity.outputs) if report.fidelity else None,
        uncompared=uncompared_text(report.uncompared) if report.uncompared else None,
        steps=[step_text(step) for step in report.steps] if len(report.steps) > 1 else [],
        skipped=skipped_text(report.skipped) if report.skipped else None,
        code=snippet(report, out) if report.inputs else None,
        counts=_counts(report),
        one_figure=report.fidelity is not None and has_one_figure(report.fidelity),
    )


def require_jinja() -> None:
    """Raise MissingExtra when jinja2 is not there."""
    _environment()


def _environment() -> Environment:
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        fix = "Install it with: pip install 'edgeq[report]'; or write the report as .json."
        raise MissingExtra("An HTML report needs jinja2, which is not installed.", "--report", fix) from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    environment.filters.update(
        bytes=human_bytes, db=decibels, bar=_bar, grade=grade, score=_score, threads=threads_text, stored=codebook_summary,
        stored_formats=format_summary,
    )  # fmt: skip
    environment.filters["picture"] = lambda layer: Markup(_picture(layer))  # numbers alone: nothing to escape
    return environment


def _shown(value: object) -> object:
    """A value of the template, without what a browser hides or UTF-8 does not have."""
    return visible(value, lines=True) if type(value) is str else value  # not Markup, which is safe


def _counts(report: Report) -> dict[str, int]:
    """Nodes by the way they run, in the order of the legend."""
    found = dict.fromkeys(("int8", "float", "boundary", "vanished"), 0)
    for node in report.placement.nodes if report.placement else ():
        found[node.runs_as] += 1
    return found


def _bar(sqnr_db: float) -> str:
    """Width of a layer's bar in percent."""
    return f"{max(1.0, 100 * bar_share(sqnr_db)):.1f}%"


def _score(value: float, share: bool) -> str:
    """A share in percent; an error as it is."""
    return metric_text(value, share=share)


def _picture(layer: CodebookLayer) -> str:
    """An SVG with the histogram of the float weights and a line for each value of the table.

    The histogram has a logarithmic scale, so that its tails are visible.
    """
    peak, span = max(layer.histogram, default=0), (layer.high - layer.low) or 1.0
    heights = [math.log1p(count) / math.log1p(max(peak, 1)) for count in layer.histogram]
    bars = [f'<rect x="{place}" y="{1 - height:.3f}" width="0.9" height="{height:.3f}"/>' for place, height in enumerate(heights) if height]
    width = max(len(heights), 1)
    places = [width * min(max((value - layer.low) / span, 0.0), 1.0) for value in layer.centroids]
    ticks = [f'<line x1="{place:.2f}" x2="{place:.2f}" y1="0" y2="1" vector-effect="non-scaling-stroke"/>' for place in places]
    return f'<svg class="values" viewBox="0 0 {width} 1" preserveAspectRatio="none">{"".join(bars + ticks)}</svg>'
