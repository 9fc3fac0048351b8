"""Tests of reading reports back: what was written is read, and what is no report is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from edgeq.errors import BadReport
from edgeq.io.strict_json import to_json
from edgeq.report.float_report import FloatReport
from edgeq.report.page.read import read_report
from edgeq.report.report import Report
from edgeq.report.run_facts import Sizes
from edgeq.schema.codebook import CodebookWish
from tests.reports import full_report


def written(text: str, folder: Path) -> Path:
    path = folder / "report.json"
    path.write_text(text)
    return path


def test_a_report_is_read_as_it_was(tmp_path: Path) -> None:
    found = read_report(written(full_report().to_json(), tmp_path))
    assert isinstance(found, Report)
    assert found.to_json() == full_report().to_json()
    assert found.recipe == full_report().recipe


@pytest.mark.parametrize("sqnr_db", [math.inf, 12.5])
def test_an_sqnr_that_json_lacks_is_that_of_equal_outputs(sqnr_db: float, tmp_path: Path) -> None:
    found = read_report(written(full_report(sqnr_db=sqnr_db).to_json(), tmp_path))
    assert isinstance(found, Report) and found.fidelity is not None
    assert (found.fidelity.sqnr_db, found.fidelity.outputs[0].sqnr_db) == (sqnr_db, sqnr_db)


def test_an_sqnr_of_nothing_compared_stays_unknown(tmp_path: Path) -> None:
    report = full_report(sqnr_db=math.nan)
    assert report.fidelity is not None
    output = replace(report.fidelity.outputs[0], compared=0)
    report = replace(report, fidelity=replace(report.fidelity, outputs=(output,)))
    found = read_report(written(report.to_json(), tmp_path))
    assert isinstance(found, Report) and found.fidelity is not None
    assert math.isnan(found.fidelity.outputs[0].sqnr_db)


def test_a_report_of_an_earlier_version_lacks_what_came_later(tmp_path: Path) -> None:
    document = json.loads(full_report().to_json())
    for late in ("detail", "training"):
        del document[late]
    found = read_report(written(json.dumps(document), tmp_path))
    assert isinstance(found, Report) and found.detail is None


def test_a_report_of_palettize_is_told_from_the_others(tmp_path: Path) -> None:
    report = FloatReport("m.onnx", "m.w4.onnx", CodebookWish(bits=4), Sizes(100, 25), (), (("n", "small"),), None, None)
    assert read_report(written(to_json(report), tmp_path)) == report


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "not a report"),
        ("[1, 2]", "not a report"),
        ("{}", "not a report"),
        ('{"size": {}}', "damaged"),
        ('{"size": {}, "schema_version": 99}', "schema version 99"),
        (full_report().to_json().replace('"float_bytes": 1234567', '"float_bytes": "many"'), "size.float_bytes"),
        (full_report().to_json().replace('"float_bytes": 1234567', '"float_bytes": null'), "size.float_bytes"),
    ],
)
def test_what_is_no_report_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = written(text, tmp_path)
    with pytest.raises(BadReport) as caught:
        read_report(path)
    assert said in caught.value.what
    assert caught.value.where == str(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadReport, match="cannot be read"):
        read_report(tmp_path / "none.json")
