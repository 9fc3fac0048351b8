"""Keep a step of the decision only where it does not lower the SQNR on the samples that judge.

Before weights are rounded with the data in view and biases corrected, the noise of rounding to
nearest hides what a step is worth: one that is dropped there by little is tried again to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import onnx_ir as ir

from edgeq.progress import Clock
from edgeq.refine.judge import Judge, Judging, Score
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned, Step

#: a step that lowers the SQNR by less, in dB, while others follow may still be better in the end:
#: it adds less noise than there is, and the steps that follow take noise away
DOUBT_DB = 3.0


def followed(name: str) -> str:
    """The name of a step that is tried again with all that follow."""
    return f"{name} with all that follows"


class Gate:
    """The steps so far, and the judge of the next one."""

    def __init__(self, first: Step, judge: Judge | None, emulate: Callable[[Plan], ir.Model], clock: Clock) -> None:
        """first: the plan that the steps start from. judge: None keeps every step, unmeasured.

        emulate: returns the integer model of a plan.
        """
        self.steps = [first]
        #: place in `steps` of the last one that was kept, whose plan is the plan so far
        self._at = 0
        self.clock, self._judge, self._emulate = clock, judge, emulate
        #: the score of the plan so far; None: not measured yet
        self._best: Score | None = None
        #: the last judge on other samples
        self._other: Judge | None = None
        #: see `leads`: a plan with its score, if that is known, and the judge of both
        self._rival: tuple[tuple[Plan, Score | None], Judge] | None = None
        #: whether a plan did not lead
        self.behind = False

    def takes(self, name: str, plan: Plan, gain_db: float = 0.0) -> bool:
        """Whether a step that leads to this plan is kept; one that changes nothing is no step.

        gain_db: what both numbers of the score have to gain.
        """
        if plan is self.steps[self._at].plan:
            return True
        if self._judge is None:
            self.add(name, plan)
            return True
        with self.clock.stage("judge"):
            before = self._before(self._judge)
            score = self._judge.score(self._emulate(plan), name)
        kept = not score.is_below(before.raised(gain_db))
        self._note(name, plan, score, kept)
        return kept

    @property
    def measures(self) -> bool:
        """Whether there is a judge."""
        return self._judge is not None

    @property
    def doubts(self) -> bool:
        """Whether the last step was dropped by so little that it may be better in the end."""
        last, before = self.steps[-1], self.steps[self._at]
        return not last.kept and (last.sqnr_db or 0.0) > (before.sqnr_db or 0.0) - DOUBT_DB

    def is_near(self, plan: Plan, data: Judging, loss_db: float) -> bool:
        """Whether a plan loses no more than this against the plan so far on these samples."""
        with self.clock.stage("judge"):
            judge = self._judge_on(data)
            return not judge.score(self._emulate(plan), "another plan on all samples").is_below(self._on(judge).raised(-loss_db))

    def gains(self, plan: Plan, other: Plan, data: Judging) -> tuple[float, float]:
        """What both numbers of the score gain in a plan against another one on these samples.

        There is a judge.
        """
        with self.clock.stage("judge"):
            judge = self._judge_on(data)
            before, after = (judge.score(self._emulate(one), "ranges of a half") for one in (other, plan))
        return after.worst_db - before.worst_db, after.mean_db - before.mean_db

    def beside(self, name: str, plan: Plan) -> Gate:
        """A gate of another way from here on: it starts with this plan and measures its steps."""
        return Gate(Step(name, plan), self._judge, self._emulate, self.clock)

    def opened(self, rival: Plan | None = None) -> Gate:
        """A gate that takes every step from here on, unmeasured.

        rival: the plan without the step that is tried again, before its biases were corrected.
        """
        gate = Gate(self.steps[self._at], None, self._emulate, self.clock)
        if rival is not None and self._judge is not None:
            measured = (step for step in self.steps if step.plan is rival and step.sqnr_db is not None and step.mean_db is not None)
            gate._rival = (rival, next((Score(one.sqnr_db or 0.0, one.mean_db or 0.0) for one in measured), None)), self._judge
        return gate

    def leads(self, plan: Plan) -> bool:
        """Whether a plan with rounded weights is no worse than the rival of a gate that has one.

        If it is, what follows is not worth its time.
        """
        if self._rival is not None:
            (rival, score), judge = self._rival
            with self.clock.stage("judge"):
                score = score or judge.score(self._emulate(rival), "the plan without it")
                self.behind = judge.score(self._emulate(plan), "the plan with it").is_below(score)
        return not self.behind

    def again(self, name: str, full: Planned, planned: Planned) -> Planned:
        """The plan that a dropped step and all that follow lead to, or the one without the step.

        full: with it. planned: what became of the others without it.
        """
        best = full if self.takes(followed(name), full.plan) else planned
        return replace(best, steps=tuple(self.steps))

    def among(self, name: str, full: Planned, planned: Planned, data: Judging, gain_db: float) -> Planned:
        """Which of two plans that were made of the same samples is better on this data.

        full: the plan of a step that was dropped and all that follow. planned: that of the others
        without it. data: all samples. gain_db: what `full` has to gain there, in dB, by both
        numbers of the score. It is left where the samples that judge see it DOUBT_DB worse.
        """
        if self._judge is None or full.plan == planned.plan:
            return planned
        with self.clock.stage("judge"):
            judge, before, name = self._judge_on(data), self._before(self._judge), followed(name)
            score = self._judge.score(self._emulate(full.plan), name)
            kept = not score.is_below(before.raised(-DOUBT_DB))
            kept = kept and not judge.score(self._emulate(full.plan), name).is_below(self._on(judge).raised(gain_db))
        self._note(name, full.plan, score, kept)
        return replace(full if kept else planned, steps=tuple(self.steps))

    def add(self, name: str, plan: Plan) -> None:
        """Add a step that is taken in any case, such as codebooks, which the user asked for."""
        self.steps.append(Step(name, plan))
        self._best, self._at = None, len(self.steps) - 1

    def _note(self, name: str, plan: Plan, score: Score, kept: bool) -> None:
        """Add a step that was judged; its plan is the plan so far if it is kept."""
        self.steps.append(Step(name, plan, score.worst_db, kept, score.mean_db))
        if kept:
            self._best, self._at = score, len(self.steps) - 1

    def _judge_on(self, data: Judging) -> Judge:
        """The judge on other samples, which runs the float model once for all that it judges."""
        assert self._judge is not None
        if self._other is None or self._other.data is not data:
            self._other = self._judge.on(data)
        return self._other

    def _on(self, judge: Judge) -> Score:
        """The score that another judge gives the plan so far."""
        current = self.steps[self._at]
        return judge.score(self._emulate(current.plan), current.name)

    def _before(self, judge: Judge) -> Score:
        """The score of the plan so far."""
        if self._best is None:
            current = self.steps[self._at]
            self._best = self._on(judge)
            self.steps[self._at] = Step(current.name, current.plan, self._best.worst_db, mean_db=self._best.mean_db)
        return self._best
