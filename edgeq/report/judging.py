"""What judged a run: which samples, and each step by its SQNR on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.data.roles import Roles
from edgeq.schema.hold_out import JudgedOn
from edgeq.schema.task import Step


@dataclass(frozen=True)
class JudgingInfo:
    """The samples that fidelity, accuracy and floors are about."""

    #: what they are to the model: held_out: every fifth sample of the data, which nothing was
    #: fitted to; calibration: what it was fitted to; validation: other data, given for this;
    #: other: data that the repeated plan was not made from
    on: JudgedOn
    #: path, or name of a shipped set
    name: str
    #: how many samples they are
    samples: int
    #: how many samples the data has that they were held out of; otherwise the same
    of: int


@dataclass(frozen=True)
class StepSqnr:
    """A step of the decision that changes the numbers, on the samples that judge."""

    #: name of the step
    name: str
    #: SQNR, after the step, of the output that is farthest from float, in dB; None: not measured
    sqnr_db: float | None
    #: whether the result has the step: one that lowers the SQNR is dropped
    kept: bool = True
    #: dB by which the step lowered sqnr_db; negative: it raised it; None: not measured
    lost_db: float | None = None
    #: the same of the mean over all outputs and their parts
    mean_lost_db: float | None = None


def steps_of(steps: Sequence[Step]) -> tuple[StepSqnr, ...]:
    """What the report says about the steps: each against the last one that was kept before it."""
    found: list[StepSqnr] = []
    before: Step | None = None
    for step in steps:
        lost = None if before is None else _lost(before.sqnr_db, step.sqnr_db)
        mean = None if before is None else _lost(before.mean_db, step.mean_db)
        found.append(StepSqnr(step.name, step.sqnr_db, step.kept, lost, mean))
        before = step if step.kept else before
    return tuple(found)


def _lost(before: float | None, after: float | None) -> float | None:
    if before is None or after is None:
        return None
    return 0.0 if before == after else before - after  # equal outputs have an infinite SQNR


def judging_of(data: Roles, fitted: int | None = None) -> JudgingInfo | None:
    """The samples that fidelity is about; None: there are none.

    fitted: the number of calibration samples, where these are reported in place of those that
    judge.
    """
    if data.judging is None:
        return None
    if fitted is not None and data.apart is not None:
        return JudgingInfo("calibration", data.apart.name, fitted, fitted)
    count = data.judging.count
    whole = data.whole.count if data.on == "held_out" and data.whole is not None else count
    return JudgingInfo(data.on, data.judging.name, count, whole)
