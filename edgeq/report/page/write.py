"""Write reports as one self-contained HTML file.

It needs no network. Its document is embedded as JSON; the script draws it and never reads text as
markup. What stands without a script, the verdict and the figures, is written here.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from edgeq.io.strict_json import JsonValue, plain
from edgeq.io.visible import visible
from edgeq.report.float_report import FloatReport
from edgeq.report.page.compare import page_of
from edgeq.report.page.document import Page, RunPage
from edgeq.report.page.of_palettize import float_page
from edgeq.report.page.of_report import run_page
from edgeq.report.report import Report

#: the parts of the script, in the order in which they need each other
SCRIPTS = (
    "dom.js", "words.js", "charts.js", "tables.js", "histograms.js", "weights.js", "picture.js", "walking.js", "panels.js", "graph.js",
    "sections.js", "compare.js", "start.js",
)  # fmt: skip

#: letters of a document that stands in its page as it is; of a longer one, of models of a thousand
#: nodes and more, a tenth is left when it is packed
MOST_PLAIN = 500_000


def to_html(report: Report | FloatReport, out: str = "model.int8.onnx") -> str:
    """The page of one run as HTML text. out: path from which its code loads the int8 model."""
    return html_of(page_of([_page(report, out)]))


def side_by_side(reports: Sequence[Report | FloatReport], names: Sequence[str]) -> str:
    """The page of one or several runs as HTML text. names: of their files."""
    return html_of(page_of([_page(report, "model.int8.onnx") for report in reports], names))


def html_of(page: Page) -> str:
    """A page as HTML text; the same page gives the same text."""
    room = files("edgeq.report.page")
    text = {name: (room / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", *SCRIPTS)}
    document, kind = _embedded(page)
    parts = {
        "TITLE": escape(visible(page.title)),
        "STYLE": text["page.css"],
        "HEAD": "\n".join(_head(page)),
        "TYPE": kind,
        "DOCUMENT": document,
        "SCRIPT": "\n".join(text[name] for name in SCRIPTS),
    }
    pieces = text["page.html"].split("%%")  # every second one is the name of a part
    return "".join(parts[piece] if at % 2 else piece for at, piece in enumerate(pieces))


def _page(report: Report | FloatReport, out: str) -> RunPage:
    return float_page(report) if isinstance(report, FloatReport) else run_page(report, out)


def _embedded(page: Page) -> tuple[str, str]:
    """The document as a script element has it, and the type of that.

    As JSON that no parser of HTML takes for the end of the script; a large one is packed.
    """
    text = json.dumps(_shown(plain(page)), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if len(text) > MOST_PLAIN:
        return b64encode(zlib.compress(text.encode(), 9)).decode(), "application/zlib"
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"), "application/json"


def _shown(value: JsonValue) -> JsonValue:
    """The document without what a browser hides or UTF-8 does not have, and digits nobody sees."""
    if isinstance(value, str):
        return visible(value, lines=True)
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return {key: _shown(item) for key, item in value.items()} if isinstance(value, dict) else value


def _head(page: Page) -> Iterator[str]:
    """What is on top of the page: of one run the verdict and the figures, of several a table."""
    if len(page.runs) > 1:
        yield f"<h1>{len(page.runs)} runs side by side</h1>"
        for name, run in zip(page.names, page.runs, strict=True):
            grade = run.verdict[0].grade or "plain"
            yield f'<p class="verdict each {grade}"><b>{_text(name)}</b>: {" ".join(_text(line.text) for line in run.verdict)}</p>'
        return
    (run,) = page.runs
    gate = "" if run.gate == "none" else f' <span class="badge {"good" if run.gate == "passed" else "poor"}">gate {run.gate}</span>'
    yield f"<h1>{_text(run.name)}{gate}</h1>"
    yield f'<p class="soft">{_text(run.subtitle)}</p>'
    for line in (*run.verdict, *([] if run.pace is None else [run.pace])):
        yield f'<p class="verdict {line.grade or "plain"}">{_text(line.text)}</p>'
    yield '<dl class="figures">'
    for figure in run.figures:
        yield f'<div class="figure"><dt>{_text(figure.label)}</dt>'
        value = f'<b class="{figure.grade or "plain"}">{_text(figure.value)}</b>'
        yield f'<dd>{value} <span class="soft">{_text(figure.note)}</span></dd></div>'
    yield "</dl>"
    for line in run.remarks:
        yield f'<p class="{line.grade or "soft"}">{_text(line.text)}</p>'


def _text(text: str) -> str:
    return escape(visible(text, lines=True))
