"""What the page of a run says of its data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeq.report.page.headlines import noise
from edgeq.report.page.of_report import run_page
from tests.reports import full_report


@pytest.mark.parametrize("made_up", [True, False])
def test_the_page_says_where_there_was_no_real_data(made_up: bool) -> None:
    report = full_report()
    assert report.data is not None
    page = run_page(replace(report, data=replace(report.data, made_up=made_up)))
    assert ("calib.npz (no real data)" in page.subtitle) == made_up


@pytest.mark.parametrize(
    ("sqnr_db", "told"),
    [
        (40.0, "the error is 1 % of the signal"),
        (20.0, "the error is 10 % of the signal"),
        (0.03, "the error is 1 times the signal"),
        (-42.0, "the error is 126 times the signal"),
        (130.0, "the error is below 0.001 % of the signal"),
    ],
)
def test_an_sqnr_is_told_without_powers_of_ten(sqnr_db: float, told: str) -> None:
    assert noise(sqnr_db) == told
