"""What a search tells of its points: the front with its figures, and why one was chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeq.search.candidates import Candidate
from edgeq.search.points import Goal, Point
from edgeq.search.verdict import Choice, choices, why

ALL = Point(Candidate("all"), sqnr_db=20.0, agreement=0.9, accuracy=0.8, integer_pct=100.0, bytes=100, ratio=0.9, margin=0.01)
MIXED = replace(ALL, candidate=Candidate("mixed"), sqnr_db=26.0, integer_pct=80.0, bytes=110, ratio=0.7, margin=0.02)
WORSE = replace(ALL, candidate=Candidate("worse"), sqnr_db=19.0, integer_pct=70.0, bytes=120, ratio=0.8, margin=0.03)


def test_a_choice_has_the_figures_of_its_point() -> None:
    (one,) = choices([MIXED], MIXED, "accuracy")
    assert one == Choice("mixed", True, sqnr_db=26.0, agreement=0.9, accuracy=0.8, integer_pct=80.0, bytes=110, ratio=0.7)


def test_the_front_is_shown_closest_to_float_first_and_the_chosen_point_in_any_case() -> None:
    shown = choices([WORSE, ALL, MIXED], WORSE, "accuracy")
    assert [(one.name, one.chosen) for one in shown] == [("mixed", False), ("all", False), ("worse", True)]
    assert [one.name for one in choices([WORSE, ALL, MIXED], MIXED, "size")] == ["mixed", "all"]


@pytest.mark.parametrize(("floors", "among"), [(True, "of those that hold the floors"), (False, "of those close enough to float")])
def test_the_reason_says_among_which_and_whether_all_was_tried(floors: bool, among: str) -> None:
    goal = Goal("latency", floors, ALL.sqnr_db)
    assert why(goal, MIXED, True) == f"the lowest measured latency {among}"
    assert why(goal, MIXED, False) == f"the lowest measured latency {among}; the time was over before everything was tried"


def test_a_miss_is_said() -> None:
    missed = replace(MIXED, missed=("SQNR",))
    assert why(Goal("size", True, 20.0), missed, True).startswith("no candidate holds the floors")
    assert why(Goal("size", False, 20.0), WORSE, True).startswith("the smallest file")
    assert why(Goal("size", False, 20.5), WORSE, True).startswith("no candidate holds the floors")
