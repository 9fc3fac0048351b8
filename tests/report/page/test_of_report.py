"""What the page of a run says of its data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeq.report.page.of_report import run_page
from tests.reports import full_report


@pytest.mark.parametrize("made_up", [True, False])
def test_the_page_says_where_there_was_no_real_data(made_up: bool) -> None:
    report = full_report()
    assert report.data is not None
    page = run_page(replace(report, data=replace(report.data, made_up=made_up)))
    assert ("calib.npz (no real data)" in page.subtitle) == made_up
