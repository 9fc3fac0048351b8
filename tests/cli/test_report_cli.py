"""Tests of `edgeq report`, and of the pages that --report writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeq.report.page.read import read_report
from edgeq.report.report import Report
from tests.cli_room import Room, make_room, run
from tests.reports import document

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"))


def written(room: Room, capsys: Capsys, name: str, *words: str) -> Path:
    out, path = room.path / f"{name}.onnx", room.path / name
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", out, "--report", path, "--effort", "fast", "--force", *words)
    assert ran.code == 0, ran.err
    return path


def test_a_report_in_json_becomes_the_page_that_html_would_be(room: Room, capsys: Capsys) -> None:
    path, page = written(room, capsys, "r.json"), room.path / "r.html"
    assert run(capsys, "report", path, "-o", page, "--force").code == 0
    found = document(page.read_text(encoding="utf-8"))["runs"][0]
    report = read_report(path)
    assert isinstance(report, Report) and report.detail is not None
    assert [node["name"] for node in found["nodes"]] == [node.name for node in report.detail.nodes]
    assert found["drawing"]["whole"]["boxes"]
    assert found["samples"] > 0


def test_several_reports_stand_side_by_side(room: Room, capsys: Capsys) -> None:
    paths = [written(room, capsys, f"{rule}.json", "--rule", rule) for rule in ("mse", "minmax")]
    page = room.path / "both.html"
    ran = run(capsys, "report", *paths, "-o", page, "--force", "--json")
    assert json.loads(ran.out) == {"schema_version": 1, "page": str(page), "reports": [str(path) for path in paths]}
    found = document(page.read_text(encoding="utf-8"))
    assert found["names"] == ["mse", "minmax"]
    assert len(found["runs"]) == 2
    assert {"Model", "Size", "SQNR"} <= {row[0] for row in found["table"]}


def test_the_same_reports_give_the_same_bytes(room: Room, capsys: Capsys) -> None:
    path = written(room, capsys, "again.json")
    pages = [room.path / f"again{at}.html" for at in range(2)]
    for page in pages:
        assert run(capsys, "report", path, "-o", page, "--force").code == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_palettize_of_floats_writes_a_page(room: Room, capsys: Capsys) -> None:
    page, out = room.path / "few.html", room.path / "few.onnx"
    ran = run(capsys, "palettize", room.model, "--bits", "2", "-o", out, "--report", page, "--force")
    assert ran.code == 0, ran.err
    found = document(page.read_text(encoding="utf-8"))["runs"][0]
    corner = found["codebooks"][0]["corner"]
    assert len(corner["before"]) == len(corner["after"]) <= 8
    assert len({number for row in corner["after"] for number in row}) <= 4  # two bits
    assert [figure["label"] for figure in found["figures"]][:2] == ["Size", "Bits per weight"]


@pytest.mark.parametrize(
    ("reports", "out", "said"),
    [
        (("nowhere.json",), "p.html", "cannot be read"),
        (("model.onnx",), "p.html", "not a report"),
        (("model.int8.plan.json",), "p.html", "not a report"),
        (("model.int8.plan.json",), "p.json", "page is HTML"),
        (("model.int8.plan.json",), "p.pdf", "extension"),
    ],
)
def test_what_cannot_be_drawn_is_refused(reports: tuple[str, ...], out: str, said: str, room: Room, capsys: Capsys) -> None:
    ran = run(capsys, "report", *(room.path / name for name in reports), "-o", room.path / out)
    assert ran.code == 2
    assert said in ran.err
    assert not (room.path / out).exists()


def test_a_report_is_not_overwritten_by_its_page(room: Room, capsys: Capsys) -> None:
    path = room.path / "mine.html"
    path.write_text("{}")
    ran = run(capsys, "report", path, "-o", path, "--force")
    assert ran.code == 2
    assert path.read_text() == "{}"
