"""Figures for people: grades and colours change where they say, units where they must."""

from __future__ import annotations

import math

import pytest

from edgeq.proof.compare import Accuracy
from edgeq.report.figures import FULL_BAR_DB, accuracy_text, bar_share, decibels, grade, samples_text, sqnr_text


@pytest.mark.parametrize(
    ("sqnr_db", "wanted"), [(20.0, "good"), (19.99, "fair"), (10.0, "fair"), (9.99, "poor"), (-math.inf, "poor"), (math.inf, "good")]
)
def test_a_grade_begins_at_its_limit(sqnr_db: float, wanted: str) -> None:
    assert grade(sqnr_db) == wanted


def test_a_bar_is_between_nothing_and_full() -> None:
    values = (-3.0, 0.0, FULL_BAR_DB / 2, FULL_BAR_DB, 99.0, math.nan)
    assert [bar_share(value) for value in values] == [0.0, 0.0, 0.5, 1.0, 1.0, 0.0]


def test_decibels_of_equal_outputs_and_of_unknown_ones() -> None:
    assert [decibels(value) for value in (31.25, math.inf, math.nan, None)] == ["31.2", "exact", "-", "-"]


def test_equal_outputs_have_no_unit_and_one_sample_no_plural() -> None:
    assert [sqnr_text(value) for value in (31.25, math.inf, None)] == ["SQNR 31.2 dB", "bit-equal", "SQNR - dB"]
    assert [samples_text(count) for count in (0, 1, 2)] == ["0 samples", "1 sample", "2 samples"]


@pytest.mark.parametrize(("int8", "style"), [(0.895, "green"), (0.885, "yellow")])
def test_a_loss_of_a_point_of_accuracy_is_a_warning(int8: float, style: str) -> None:
    text = accuracy_text(Accuracy("top1", 0.9, int8))
    assert f"({100 * (int8 - 0.9):+.2f} points)" in text.plain
    assert [str(span.style) for span in text.spans] == [style]
