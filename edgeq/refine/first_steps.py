"""The first steps of refining a draft: ranges without clipping, channels of one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeq.calibration.channel_stats import channel_stats
from edgeq.calibration.observe import observe
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.dataset import Dataset
from edgeq.graph.channels.classes import channel_classes
from edgeq.passes.quantize.equalize import Equalize
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.refine.equalization import equalizing_exponents, values_to_measure
from edgeq.refine.gate import DOUBT_DB, Gate
from edgeq.refine.judge import Judging
from edgeq.schema.plan import Plan
from edgeq.schema.rules import Rule
from edgeq.schema.scaling import factors_of
from edgeq.schema.task import Planned, Task

#: dB that ranges without clipping have to gain: less is chance among the samples that judge
CLEARLY_DB = 0.5


@dataclass(frozen=True, eq=False)
class Refining:
    """A draft on its way, with the statistics of its model."""

    draft: Draft
    statistics: Mapping[str, TensorStats]
    #: the range rule of its grids
    rule: Rule


def ranged(start: Refining, gate: Gate, to_the_end: Callable[[Refining, Gate], Planned], whole: Judging) -> Planned:
    """What a draft leads to, with the whole observed ranges where that is clearly better.

    Whether rare large numbers are outliers that may be clipped or what the network is about, the
    numbers themselves do not tell; the samples that judge do. What the noise of rounding to nearest
    may hide or fake, a gain as well as a loss, is tried to the end, both ways. Both are then fitted
    to the same samples, so that all samples compare them: rare numbers are in few, and the fifth
    that judges may hold none. to_the_end: all steps that follow. whole: all samples.
    """
    task = start.draft.task
    if not gate.measures or start.rule != "mse" or task.target.activations.power_of_two:
        return to_the_end(start, gate)
    with gate.clock.stage("plan"):
        plan = _planned(task.model, start.statistics, task, "minmax", start.draft.plan)
    wide, name = replace(start, draft=start.draft.with_plan(plan), rule="minmax"), "ranges (minmax)"
    if gate.takes(name, plan, DOUBT_DB):
        return to_the_end(wide, gate)
    doubted = gate.doubts
    planned = to_the_end(start, gate)
    return gate.among(name, to_the_end(wide, gate.beside(name, plan)), planned, whole, CLEARLY_DB) if doubted else planned


def _planned(model: ir.Model, statistics: Mapping[str, TensorStats], task: Task, rule: Rule, before: Plan) -> Plan:
    """A first plan again, with another rule or of a changed model. before: whose origin it has."""
    origin = MadeFrom(before.model, before.data, before.settings, before.held_out)
    plan = make_plan(model, statistics, task.target, task.recipe, origin, rule)
    return plan.with_inputs(before.shapes, before.pixels)


def equalized(start: Refining, data: Dataset, progress: Progress) -> Refining:
    """The draft with an equalized model and its plan, and the statistics of that model.

    It is unchanged if there is nothing to equalize.
    """
    task, plan = start.draft.task, start.draft.plan
    channels = channel_classes(task.model)
    stats = channel_stats(task.model, values_to_measure(task.model, channels, plan.grids), data, progress)
    progress.start("equalize", None)
    shared = task.recipe.weights == "per_tensor" or "per_channel" not in task.target.weights.granularity
    exponents = equalizing_exponents(task.model, channels, stats, plan.grids, shared=shared)
    if not exponents:
        return start
    model = task.model.clone()
    Equalize(factors_of(exponents))(model)
    statistics = observe(model, values_to_observe(model, task.target, task.recipe), data, progress=progress)
    new = _planned(model, statistics, task, start.rule, plan)
    return Refining(Draft(task, model, new.with_equalization(exponents), start.draft.last), statistics, start.rule)
