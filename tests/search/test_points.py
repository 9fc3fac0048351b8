"""Which of some measured points is best for an objective, and which are worth showing."""

from __future__ import annotations

from dataclasses import replace

from edgeq.search.candidates import Candidate
from edgeq.search.points import Goal, Point, pareto

ALL = Point(Candidate("all"), sqnr_db=20.0, agreement=None, accuracy=None, integer_pct=100.0, bytes=100, ratio=0.9, margin=0.01)
MIXED = replace(ALL, candidate=Candidate("mixed"), sqnr_db=26.0, integer_pct=80.0, bytes=110, ratio=0.7)
STORED = replace(ALL, candidate=Candidate("stored"), sqnr_db=30.0, integer_pct=0.0, bytes=90, ratio=1.0, margin=0.05)


def goal(objective: str, *, floors: bool = False) -> Goal:
    return Goal(objective, floors, ALL.sqnr_db)  # type: ignore[arg-type]  # a literal at every call


def test_accuracy_keeps_as_much_in_integers_as_the_floors_allow() -> None:
    assert goal("accuracy").best([STORED, MIXED, ALL]) == ALL
    missed = replace(ALL, missed=("SQNR",))
    assert goal("accuracy", floors=True).best([STORED, MIXED, missed]) == MIXED
    closer = replace(MIXED, sqnr_db=27.0)
    assert goal("accuracy", floors=True).best([MIXED, closer, missed]) == closer


def test_latency_takes_the_fastest_that_is_near_enough() -> None:
    assert goal("latency").best([ALL, MIXED, STORED]) == MIXED
    coarse = replace(MIXED, sqnr_db=18.9, ratio=0.5)
    assert goal("latency").best([ALL, coarse, STORED]) == ALL
    near = replace(MIXED, sqnr_db=19.1, ratio=0.5)
    assert goal("latency").best([ALL, near, STORED]) == near


def test_latency_gives_a_tie_to_more_integers() -> None:
    assert goal("latency").best([replace(ALL, ratio=0.715), MIXED]).integer_pct == 100
    assert goal("latency").best([replace(ALL, ratio=0.725), MIXED]) == MIXED


def test_latency_never_takes_what_may_be_slower_than_float() -> None:
    unsure = replace(MIXED, ratio=0.975, margin=0.01)
    assert goal("latency").best([replace(ALL, ratio=1.2), unsure, STORED]) == STORED
    assert goal("latency").best([replace(ALL, ratio=1.2), replace(unsure, margin=0.004), STORED]).candidate.name == "mixed"


def test_a_glance_does_not_win_against_a_look() -> None:
    glanced = replace(MIXED, ratio=0.4)
    assert goal("latency").best([replace(ALL, sure=True), glanced, replace(STORED, sure=True)]).candidate.name == "all"


def test_size_takes_the_smallest_that_holds() -> None:
    assert goal("size").best([ALL, MIXED, STORED]) == STORED
    assert goal("size", floors=True).best([ALL, MIXED, replace(STORED, missed=("accuracy",))]) == ALL


def test_when_nothing_holds_the_closest_is_taken() -> None:
    points = [replace(point, missed=("SQNR",)) for point in (ALL, MIXED, STORED)]
    assert goal("accuracy", floors=True).best(points).candidate.name == "stored"
    worse = replace(STORED, missed=("SQNR", "accuracy"))
    assert goal("accuracy", floors=True).best([*points[:2], worse]).candidate.name == "mixed"


def test_the_front_holds_what_nothing_else_beats() -> None:
    beaten = replace(MIXED, candidate=Candidate("beaten"), sqnr_db=25.0, ratio=0.8, integer_pct=70.0)
    assert [p.candidate.name for p in pareto([beaten, ALL, STORED, MIXED], "latency")] == ["stored", "mixed"]
    assert [p.candidate.name for p in pareto([beaten, ALL, STORED, MIXED], "accuracy")] == ["stored", "mixed", "all"]
    assert [p.candidate.name for p in pareto([beaten, ALL, STORED, MIXED], "size")] == ["stored"]
