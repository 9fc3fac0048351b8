"""Effort default: where integers make an output useless, the parts responsible stay float.

A network can have a part that 8-bit grids cannot serve: a spectrum whose logarithm is taken, an
angle, a division. Everything behind it is then computed from noise, however fine the other grids
are. The default plan is measured; where it is useless, each group of layers is measured with it
alone in integers, and as much work as possible returns to integers, least noise first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeq.calibration.random_outputs import random_outputs
from edgeq.data.roles import Roles
from edgeq.graph.macs import macs
from edgeq.graph.read import nodes
from edgeq.progress import Clock, Progress
from edgeq.refine.draft import Draft
from edgeq.refine.judge import Judge
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned, Step, Task
from edgeq.search.builder import Builder
from edgeq.search.candidates import Candidate, all_float, integer_layers, integer_share, of_nodes, weights_only
from edgeq.search.measures import Sample
from edgeq.search.meter import LEAST_DB, USELESS_DB, Meter
from edgeq.search.repair import noise_of
from edgeq.search.units import Unit, joined, ranked_units, storing

#: name of the step
RETURNED = "layers returned to float"
#: what a rescue aims at, in dB, best first: noise of a hundredth of the energy; the level below
#: which a report warns; no longer useless. Each is 1 dB more, since other samples differ
GOALS_DB = (21.0, 16.0, LEAST_DB)
#: samples that rank groups of layers
RANKING_SAMPLES = 4
#: fitted samples that must not be useless either, of a data set that may have many
CHECKED_SAMPLES = 64
#: number of groups that are measured; where there are more layers, neighbours share one
GROUPS = 64


@dataclass(frozen=True)
class Rescue:
    """What became of a plan whose result was useless. SQNRs are of the worst output."""

    #: SQNR of the plan before, dB
    before_db: float
    #: SQNR of the plan that was chosen, dB
    after_db: float
    #: names of the layers that stay float by it; empty: no choice of layers helps
    floats: tuple[str, ...]
    #: share of the multiply-accumulates that are left in integers, 0..100
    integer_pct: float
    #: whether the samples that grids were made from were served before: the others are unlike them
    unlike: bool = False

    @property
    def told(self) -> str:
        """The result in a sentence."""
        if not self.floats:
            return f"with the worst output at {self.before_db:.1f} dB the result is useless, and no choice of float layers mends it"
        many = f"{len(self.floats)} layers stay" if len(self.floats) > 1 else f"layer {self.floats[0]} stays"
        return (
            f"{many} float by themselves: in integers the worst output had {self.before_db:.1f} dB, which is useless; "
            f"now it has {self.after_db:.1f} dB, with {self.integer_pct:.0f} % of MACs in int8 (--no-rescue leaves them in integers)"
            + ("; the samples that grids were made from were served before: more of them may do without" if self.unlike else "")
        )


def rescued(
    planned: Planned, task: Task, roles: Roles, judge: Judge | None, clock: Clock, progress: Progress
) -> tuple[Planned, Rescue | None]:
    """The plan, or one that keeps layers float where the plan's worst output is useless.

    judge: measures plans on the samples that judge; None: there are none. The second result is None
    if the plan was not useless, or nothing may stay float.
    """
    if not _wanted(task):
        return planned, None
    if roles.division is None or roles.judging is None or judge is None:
        return replace(planned, skipped=(*planned.skipped, RETURNED)), None
    builder = Builder(Draft.of(task, planned.draft), planned.plan, roles.division.fitted)
    layers = integer_layers(builder.base.with_plan(planned.plan))
    if not layers and not planned.plan.stored:
        return planned, None
    few = Sample(roles.judging.unjudged(), RANKING_SAMPLES, RANKING_SAMPLES)
    fitted = Sample(roles.division.fitted, CHECKED_SAMPLES)
    meter = Meter(builder, judge, judge.on(few), judge.on(fitted))
    with clock.stage("judge"):
        known = next((one.sqnr_db for one in planned.steps if one.plan is planned.plan and one.kept), None)
        before = meter.worst_db(planned.plan) if known is None else known
        if before >= USELESS_DB:
            return planned, None
        found = _search(meter, layers, progress)
        plan, after = (None, before) if found is None else _finished(meter, found)
        unlike = found is not None and meter.served_db(builder.default) >= USELESS_DB
    if found is None or plan is None or after <= before:
        return planned, Rescue(before, before, (), integer_share(task.model, planned.plan))
    step = Step(RETURNED, plan, after)
    return replace(planned, plan=plan, draft=plan, steps=(*planned.steps, step)), Rescue(
        before, after, _returned(found, layers, planned.plan), integer_share(task.model, plan), unlike
    )


def _returned(found: Candidate, layers: Sequence[str], plan: Plan) -> tuple[str, ...]:
    """The layers that stay float by a candidate, with weights of floats where it is bare."""
    gone = {*found.floats, *found.bare}
    return tuple(dict.fromkeys(name for name in (*layers, *storing(plan)) if name in gone))


def _wanted(task: Task) -> bool:
    """Whether layers may return to float; training and a search have their own remedies.

    Where all outputs are random, none tells what is useless.
    """
    recipe, apart = task.recipe, task.recipe.small_weights or task.recipe.finetune.wanted
    random = random_outputs(task.model)
    apart = apart or all(value.name in random for value in task.model.graph.outputs)
    return recipe.rescue and recipe.effort == "default" and not apart and not task.target.integer_only


def _search(meter: Meter, layers: Sequence[str], progress: Progress) -> Candidate | None:
    """The candidate with the most work in integers that reaches the best goal that any reaches.

    Few samples judge, so a candidate must not be useless on those that were fitted to either: these
    may hold what gives a NaN. Where no group may stay in integers, all of them go float: the whole
    is of more use than a result that is not.
    """
    base = meter.builder.base
    stored = weights_only(base)
    sound = meter.serves(stored)
    bare = not sound and not meter.serves(all_float(base))  # weights that are stored as integers do harm by themselves
    order = _by_noise(meter, ranked_units(base, layers, stored=bare), progress)
    for goal in GOALS_DB:
        keeps = sound and meter.draft_db(stored) >= goal
        low, high = 0, len(order)  # with `low` groups in integers the goal is reached, with `high` not
        while high - low > 1:
            middle = (low + high) // 2
            reached = meter.draft_db(_without(order, middle, keeps)) >= goal
            low, high = (middle, high) if reached else (low, middle)
        while low and meter.fitted_db(_without(order, low, keeps)) < USELESS_DB:
            low //= 2
        if low:
            return _without(order, low, keeps)
    whole = _without(order, 0, sound and meter.draft_db(stored) >= GOALS_DB[0])
    return whole if meter.draft_db(whole) >= LEAST_DB else None


def _by_noise(meter: Meter, units: Sequence[Unit], progress: Progress) -> list[Unit]:
    """The units, neighbours joined where there are many, those that cause least noise per
    multiply-accumulate first.

    The noise of a unit is the noise-to-signal ratio of the worst output when it alone runs in
    integers, or has weights of integers. The noise of units nearly adds up.
    """
    work = {str(node.name): macs(node) for node in nodes(meter.builder.base.task.model)}
    size = -(-len(units) // GROUPS)
    groups = [joined(units[start : start + size]) for start in range(0, len(units), max(size, 1))]
    progress.start("find the layers that make an output useless", len(groups))
    alone = {group: _without([group, *(other for other in groups if other != group)], 1, stored=False) for group in groups}
    meter.rank_ahead(tuple(alone.values()))
    price = {}
    for group in groups:
        done = sum(work[name] for name in (*group.integer, *group.stored))
        price[group] = noise_of(meter.draft_db(alone[group], rank=True)) / max(done, 1)
        progress.advance()
    return sorted(groups, key=lambda group: price[group])


def _without(order: Sequence[Unit], size: int, stored: bool) -> Candidate:
    """The candidate that keeps all but the first `size` units in float.

    stored: whether the layers that therefore run in float keep the integers of their weights.
    """
    rest = joined(order[size:])
    return replace(of_nodes(rest.integer, stored=stored), because="useless", bare=tuple(sorted(rest.stored)))


def _finished(meter: Meter, candidate: Candidate) -> tuple[Plan | None, float]:
    """The candidate's plan with the biases corrected, where that helps, and its SQNR in dB."""
    draft, plan = meter.builder.draft(candidate), meter.builder.plan(candidate)
    drafted = (draft, meter.draft_db(candidate))
    if plan is None or plan == draft:
        return drafted
    corrected = (plan, meter.worst_db(plan))
    return corrected if corrected[1] >= drafted[1] else drafted
