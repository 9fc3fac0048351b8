"""The roles of a run's samples: which a model is fitted to, and which judge it."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.data.dataset import Dataset
from edgeq.data.held_out import LEAST, Division, divided, division_of
from edgeq.schema.hold_out import HoldOut, JudgedOn
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Roles:
    """The samples of a run by their roles."""

    #: the data that the model is fitted to, without what is held out of it; None: there is none
    division: Division | None
    #: the samples that judge each step and the result; None: there are none
    judging: Dataset | None
    #: what these samples are to the model
    on: JudgedOn

    @property
    def whole(self) -> Dataset | None:
        """The data, with what is held out of it."""
        return None if self.division is None else self.division.whole

    @property
    def apart(self) -> Dataset | None:
        """The samples that the model is fitted to, if others judge it; None: no others do."""
        return self.division.fitted if self.division is not None and self.on in ("held_out", "validation") else None


def roles_of(data: Dataset | None, validation: Dataset | None, recipe: Recipe, plan: Plan | None, seen: HoldOut | None) -> Roles:
    """The roles of the samples of a run.

    validation: other data, which judges. plan: is repeated; data that it was not made from judges
    it as a whole. seen: what statistics of the data held out; None: there are none.
    """
    other = data is not None and plan is not None and data.hash != plan.data
    if data is None:
        division = None
    elif other:
        division = division_of(data, recipe, known=None) if recipe.finetune.trains else divided(data, "none")
    else:
        division = division_of(data, recipe, apart=validation is not None, known=seen if plan is None else plan.held_out)
    if validation is not None:
        return Roles(division, validation, "validation")
    # training holds some out of fewer samples, too, to choose its epoch: too few to judge a result
    if division is not None and division.held_out is not None and division.whole.count >= LEAST:
        return Roles(division, division.held_out, "held_out")
    return Roles(division, data, "other" if other and not recipe.finetune.wanted else "calibration")
