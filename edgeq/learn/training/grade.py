"""Which epoch of a training is the best: by a metric of the user's own, or by its held-out loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edgeq.learn.training.checkpoint import State


@dataclass(frozen=True)
class Grade:
    """A metric of the user's own, which chooses the epoch."""

    #: its name
    name: str
    #: its value for the student whose score was taken last
    value: Callable[[], float]
    higher_is_better: bool


def is_better(own: tuple[float, float | None], before: State, grade: Grade | None) -> bool:
    """Whether an epoch with this score and this value of the grade is the best one so far.

    The grade decides, and between equal grades the score; a grade that is no number is the worst.
    """
    score, value = own
    if grade is None or value is None or before.best_grade is None:
        return score < before.best_score
    sign = 1 if grade.higher_is_better else -1
    found, best = (-math.inf if math.isnan(one) else sign * one for one in (value, before.best_grade))
    return found > best or (found == best and score < before.best_score)


def best_of(state: State, grade: Grade | None) -> str:
    """What a line of progress tells of the best epoch."""
    best, first, name = state.best_score, state.start_score, "score"
    if grade is not None and state.best_grade is not None and state.start_grade is not None:
        best, first, name = state.best_grade, state.start_grade, grade.name
    return f"best {name} {best:.5g} of epoch {state.best_epoch}, {first:.5g} at the start"
