"""Tests of the report: strict JSON with the promised keys, a plain terminal form, a safe HTML
file.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from edgeq.errors import BadOutput
from edgeq.io.reasons import NAMES_SHOWN
from edgeq.io.strict_json import plain, to_json
from edgeq.numerics.codebook import encode, parse_grain
from edgeq.proof.compare import Comparison, OutputFidelity
from edgeq.proof.latency import Latency
from edgeq.proof.node_rows import ProvenNode
from edgeq.proof.proof import Proof
from edgeq.report.codebooks import describe
from edgeq.report.figures import human_bytes
from edgeq.report.judging import JudgingInfo
from edgeq.report.page.write import to_html
from edgeq.report.report import Report, report_format, verdict, with_comparison
from edgeq.report.search_lines import judged_on
from edgeq.report.snippet import snippet
from edgeq.report.text import report_text
from edgeq.schema.hold_out import JudgedOn
from edgeq.search.verdict import Search
from tests.reports import document, full_report, plain_text

# ------------------------------------------------------------------ JSON

SCHEMA = {
    "": "schema_version model data target recipe rule versions size time_s peak_rss_mb placement fidelity accuracy steps latency warnings",
    "data": "name hash samples",
    "size": "float_bytes int8_bytes",
    "time_s": "prepare calibrate plan rewrite prove",
    "placement": "int8 float macs_int8_pct boundary_qdq inner_qdq nodes",
    "fidelity": "sqnr_db cosine top1_agreement samples",
    "accuracy": "metric float int8",
    "latency": "float_ms int8_ms ratio threads batch runs spread",
}


@pytest.mark.parametrize("part", SCHEMA)
def test_json_has_the_promised_keys(part: str) -> None:
    found = json.loads(full_report().to_json())
    assert set(SCHEMA[part].split()) <= set(found[part] if part else found)


def test_json_of_nodes_and_steps() -> None:
    found = json.loads(full_report().to_json())
    assert {"name", "op_type", "runs_as", "reason"} <= set(found["placement"]["nodes"][0])
    assert found["steps"] == [{"name": "ranges (mse)", "sqnr_db": 31.25, "kept": True, "lost_db": None, "mean_lost_db": None}]


def test_numbers_that_json_lacks_become_null() -> None:
    found = json.loads(full_report(sqnr_db=math.inf).to_json())
    assert found["fidelity"]["sqnr_db"] is None
    assert found["layers"][0]["sqnr_db"] is None


def test_an_unmeasured_report_is_still_json() -> None:
    found = json.loads(_unmeasured().to_json())
    assert (found["placement"], found["accuracy"], found["latency"], found["time_s"]["prove"]) == (None, None, None, 4.0)


def test_plain_takes_numpy_paths_and_nothing_odd() -> None:
    found = plain({"a": np.float32(0.5), "b": (Path("x"), np.int64(3)), "c": np.array([1.0, np.nan])})
    assert found == {"a": 0.5, "b": ["x", 3], "c": [1.0, None]}
    with pytest.raises(TypeError):
        to_json(object())


def _unmeasured() -> Report:
    return replace(full_report(), data=None, placement=None, fidelity=None, accuracy=None, latency=None, layers=(), steps=())


# ------------------------------------------------------------------ words


def test_terminal_report_fits_80_columns_without_escape_codes() -> None:
    text = plain_text(report_text(full_report(), "out/net.int8.onnx"), width=80)
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines() if "graph_optimization" not in line) <= 80


def test_terminal_report_says_what_matters() -> None:
    text = plain_text(report_text(full_report()), width=200)
    assert "SQNR 31.2 dB" in text
    assert "100.0 % of MACs in int8" in text
    assert "The data has only 4 samples." in text
    assert "below the floor of 40 dB" in text


def test_float_nodes_are_grouped_by_reason_and_counted() -> None:
    text = plain_text(report_text(full_report()), width=200)
    assert text.count("no integer kernel for Exp <b>") == 1
    assert "7 Exp" in text
    assert "and 3 more" in text
    assert "head/softmax[0]" in text  # brackets are no markup


@pytest.mark.parametrize(("count", "tail"), [(NAMES_SHOWN, ""), (NAMES_SHOWN + 1, " and 1 more"), (NAMES_SHOWN + 2, " and 2 more")])
def test_names_beyond_the_first_are_counted(count: int, tail: str) -> None:
    rows = tuple(ProvenNode(f"n{i}", "Exp", "float", "no kernel", 0) for i in range(count))
    text = plain_text(report_text(replace(full_report(), placement=Proof(rows, 0, count, 0, 0, 0.0))))
    shown = ", ".join(f"n{i}" for i in range(NAMES_SHOWN))
    assert any(line.rstrip().endswith(f"{shown}{tail}") for line in text.splitlines())


def test_an_unmeasured_report_renders() -> None:
    assert "size" in plain_text(report_text(_unmeasured()))


@pytest.mark.parametrize(("ratio", "said"), [(0.5, "2.00x as fast"), (1.0, "NOT faster"), (1.8, "1.80x the time of float")])
def test_verdict_is_plain(ratio: float, said: str) -> None:
    latency = Latency(1.0, ratio, ratio, 1, 1, 50, 0.01, ratio)
    assert said in verdict(latency)
    assert said in " ".join(plain_text(report_text(full_report(ratio)), width=200).split())


@pytest.mark.parametrize(("milliseconds", "said"), [(0.03, True), (5.0, False)])
def test_a_slower_small_network_is_explained_once(milliseconds: float, *, said: bool) -> None:
    words = verdict(Latency(milliseconds, 1.5 * milliseconds, 1.5, 1, 1, 50, 0.01, 1.5))
    assert ("So small a network" in words) == said
    assert words.count("float") == (3 if said else 2)


def test_snippet_is_python_and_says_what_the_input_becomes() -> None:
    code = snippet(full_report(), "it's.onnx")
    compile(code, "snippet", "exec")
    assert "ORT_ENABLE_ALL" in code
    assert "scale 0.0173, zero point 114" in code
    assert '"it\'s.onnx"' in code


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1_234_567, "1.23 MB"), (345_678, "346 kB"), (5e9, "5 GB")])
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_a_search_says_where_its_figures_flatter() -> None:
    def said(on: JudgedOn) -> str:
        return judged_on(Search("accuracy", "calib.npz", 12, on, 3, True, "it is best", ()))

    assert "12 samples of calib.npz, which also calibrated" in said("calibration")
    assert "12 held-out samples of calib.npz; the figures of this report are from the same" in said("held_out")
    assert "held-out" not in said("validation")


def test_a_comparison_replaces_fidelity_and_accuracy() -> None:
    other = Comparison((OutputFidelity("y", 9.0, 0.9, 1.0, None),), 7, None)
    changed = with_comparison(full_report(), other, "eval.npz")
    assert changed.fidelity is not None
    assert (changed.fidelity.sqnr_db, changed.fidelity.samples, changed.accuracy, changed.layers) == (9.0, 7, None, ())
    assert changed.judged == JudgingInfo("validation", "eval.npz", 7, 7)


# ------------------------------------------------------------------ HTML


class _Links(HTMLParser):
    """Collects everything that would make a browser fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset")]


def test_html_is_one_file_and_escapes_names() -> None:
    page = to_html(full_report())
    links = _Links()
    links.feed(page)
    assert links.fetched == []
    assert links.tags.count("script") == 2  # the document, and what draws it
    assert "@import" not in page
    assert "url(" not in page
    assert "net<script>" not in page
    assert "Exp <b>" not in page
    assert "net&lt;script&gt;" in page
    found = document(page)["runs"][0]
    assert found["name"] == "net<script>.onnx"
    assert "cpu has no integer kernel for Exp <b>" in [node["ran"] for node in found["nodes"]]


def test_html_shows_every_node_and_layer() -> None:
    page = to_html(full_report())
    rows = {node["name"]: node for node in document(page)["runs"][0]["nodes"]}
    assert {"stem/conv", "stem/relu", "mask_5", "head/softmax[0]"} <= set(rows)
    assert (rows["stem/conv"]["sqnr_db"], rows["head/exp"]["sqnr_db"], rows["mask_5"]["sqnr_db"]) == (28.0, "none", None)
    assert "2.00x as fast" in page


def test_html_shows_each_codebook_and_its_values() -> None:
    weight = np.array([[-1, -1, 0.5], [0.5, 1, 1]], np.float32)
    book = encode(np.array([[-2, -2, 1], [1, 2, 2]], np.int8), parse_grain("tensor"), 0, 2)
    assert book is not None
    layers = (
        describe("stem<b>", weight, weight, book, np.float32([0.5, 0.5])),
        describe("zeros", np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32), book, np.float32([0.5, 0.5])),
    )
    page = to_html(replace(full_report(), codebooks=layers))
    run = document(page)["runs"][0]
    first = run["codebooks"][0]
    assert (first["node"], first["centroids"]) == ("stem<b>", [-1, 0.5, 1])
    assert sum(count > 0 for count in first["histogram"]) == 3  # three bins hold weights
    assert first["corner"]["before"] == [[-1, -1, 0.5], [0.5, 1, 1]]
    assert run["codebooks_told"].startswith("2 weights in codebooks")
    assert document(to_html(full_report()))["runs"][0]["codebooks"] == []


@pytest.mark.parametrize("sqnr_db", [math.inf, -math.inf, math.nan])
def test_odd_figures_render_everywhere(sqnr_db: float) -> None:
    report = full_report(sqnr_db=sqnr_db)
    assert "<html" in to_html(report)
    assert plain_text(report_text(report))


def test_an_unmeasured_report_is_a_page() -> None:
    found = document(to_html(_unmeasured()))["runs"][0]
    assert (found["nodes"], found["drawing"], found["values"]) == ([], None, [])


def test_html_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("jinja2", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    assert "<html" in to_html(full_report())


def test_report_format_is_told_by_the_extension() -> None:
    assert (report_format(Path("a.json")), report_format(Path("a.HTML"))) == ("json", "html")
    with pytest.raises(BadOutput):
        report_format(Path("a.txt"))


def test_rich_can_colour_the_report() -> None:
    console = Console(force_terminal=True, width=80, color_system="truecolor")
    with console.capture() as captured:
        console.print(report_text(full_report()))
    assert "\x1b[" in captured.get()
