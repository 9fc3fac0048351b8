"""What judged a run: which samples, and each step by its SQNR on them."""

from __future__ import annotations

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

    @classmethod
    def of(cls, step: Step) -> StepSqnr:
        """What the report says about a step."""
        return cls(step.name, step.sqnr_db, step.kept)


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
