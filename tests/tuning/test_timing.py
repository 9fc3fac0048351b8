"""Times of chains: what a disturbed turn changes, which is nothing."""

from __future__ import annotations

from edgeq.tuning.chains import CHAINS
from edgeq.tuning.timing import FEW, MANY, Clocked

#: seconds of the four sessions in an undisturbed turn: few and many blocks, in integers and floats
QUIET = [10e-6, 50e-6, 20e-6, 100e-6]


def clocked(turns: list[list[float]]) -> Clocked:
    found = Clocked(next(one for one in CHAINS if one.kind == "Add"), 1)
    found.times = turns
    return found


def test_most_turns_may_be_disturbed() -> None:
    """Caches that other work takes away lengthen turns, each session's by another share."""
    disturbed = [[time * (1.5 + 0.1 * index + 0.2 * turn) for index, time in enumerate(QUIET)] for turn in range(9)]
    found = clocked([*disturbed, QUIET]).measured()
    assert round(found.integer) == round(40e3 / (MANY - FEW))
    assert round(found.float) == round(80e3 / (MANY - FEW))


def test_sessions_need_not_be_quiet_in_the_same_turn() -> None:
    one, other = [QUIET[0], 9e-5, QUIET[2], 9e-4], [9e-5, QUIET[1], 9e-4, QUIET[3]]
    assert clocked([one, other]).measured() == clocked([QUIET]).measured()
