"""The first steps of refining a draft: ranges without clipping, channels of one size."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from edgeq.calibration.channel_stats import ChannelStats, ChannelSums, Ends, channel_stats
from edgeq.calibration.observe import observe, observe_in_turns
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.dataset import Dataset
from edgeq.graph.channels.classes import channel_classes
from edgeq.graph.find_layer import layer_of
from edgeq.graph.read import is_op, nodes, rank, values
from edgeq.passes.quantize.equalize import Equalize
from edgeq.planning.first_plan import MadeFrom, make_plan, observed_and_gridded, values_to_observe
from edgeq.planning.values.seen import fixed_ranges
from edgeq.progress import Progress
from edgeq.refine.codebooks.formats import short_codes
from edgeq.refine.draft import Draft
from edgeq.refine.equalization import equalizing_exponents, values_to_measure
from edgeq.refine.gate import DOUBT_DB, Gate
from edgeq.refine.judge import Judging
from edgeq.schema.plan import Plan
from edgeq.schema.rules import Rule
from edgeq.schema.scaling import Exponents, factors_of
from edgeq.schema.task import Planned, Task

#: dB that ranges without clipping have to gain: less is chance among the samples that judge
CLEARLY_DB = 0.5
#: the loss in dB that may become such a gain: of two ways, what follows was seen to help one by 1.7
#: more
HIDDEN_DB = 1.0


@dataclass(eq=False)
class Measured:
    """What was measured of the task's model: drafts that differ in their ranges alone share it."""

    #: how many parts of the runs, which take turns, are observed apart
    turns: int = 1
    #: value name -> axis of the channels that were measured
    axes: Mapping[str, int] = field(default_factory=dict)
    channels: ChannelStats = field(default_factory=lambda: ChannelStats({}, {}))
    #: the exponents of the model that was equalized last, that model and its statistics
    equalized: tuple[Exponents, ir.Model, Mapping[str, TensorStats]] | None = None
    #: the statistics of each turn; none where nothing was observed
    apart: tuple[Mapping[str, TensorStats], ...] = ()

    def of(self, model: ir.Model, axes: Mapping[str, int], data: Dataset, progress: Progress) -> ChannelStats:
        """The channels of these values of the task's model; it runs only if they are not known."""
        if not axes.items() <= self.axes.items():
            self.axes, self.channels = axes, channel_stats(model, axes, data, progress)
        return self.channels.of(axes)


@dataclass(frozen=True, eq=False)
class Refining:
    """A draft on its way, with the statistics of its model."""

    draft: Draft
    statistics: Mapping[str, TensorStats]
    #: the range rule of its grids
    rule: Rule
    measured: Measured = field(default_factory=Measured)

    def ends(self) -> dict[str, Ends]:
        """What is known of values whose channels lie on the last axis and were not scaled."""
        known, scaled = self.measured, self.draft.plan.equalization
        return {
            name: known.channels.ends[name]
            for value in values(self.draft.model)
            if (name := str(value.name)) in known.channels.ends and name not in scaled and known.axes[name] + 1 == rank(value)
        }


def ranged(start: Refining, gate: Gate, to_the_end: Callable[[Refining, Gate], Planned], whole: Judging) -> Planned:
    """What a draft leads to, with the whole observed ranges where that is clearly better.

    Whether rare large numbers are outliers that may be clipped or what the network is about, the
    numbers themselves do not tell; the samples that judge do. What the noise of rounding to nearest
    may hide is tried to the end, both ways. Both are then fitted to the same samples, so that all
    samples compare them: rare numbers are in few, and the fifth that judges may hold none. The same
    noise is in both ways, and makes a gain look small rather than like a large loss: the whole
    ranges are tried only if all samples see a loss of at most HIDDEN_DB. to_the_end: all steps that
    follow. whole: all samples.
    """
    task = start.draft.task
    if not gate.measures or start.rule != "mse" or task.target.activations.power_of_two:
        return to_the_end(start, gate)
    with gate.clock.stage("plan"):
        plan = planned_by(start, "minmax")
    wide, name = replace(start, draft=start.draft.with_plan(plan), rule="minmax"), "ranges (minmax)"
    if gate.takes(name, plan, DOUBT_DB):
        return to_the_end(wide, gate)
    doubted = gate.doubts and gate.is_near(plan, whole, HIDDEN_DB)
    planned = to_the_end(start, gate)
    return gate.among(name, to_the_end(wide, gate.beside(name, plan)), planned, whole, CLEARLY_DB) if doubted else planned


def planned_by(start: Refining, rule: Rule, statistics: Mapping[str, TensorStats] | None = None) -> Plan:
    """The first plan of the task's model by another rule. statistics: None: those of `start`."""
    task = start.draft.task
    return _planned(task.model, start.statistics if statistics is None else statistics, task, rule, start.draft.plan)


def _planned(model: ir.Model, statistics: Mapping[str, TensorStats], task: Task, rule: Rule, before: Plan) -> Plan:
    """A first plan again, with another rule or of a changed model. before: whose origin it has."""
    origin = MadeFrom(before.model, before.data, before.settings, before.held_out)
    plan = make_plan(model, statistics, task.target, task.recipe, origin, rule)
    return plan.with_inputs(before.shapes, before.pixels)


def seen(
    task: Task, data: Dataset, progress: Progress, measured: Measured | None = None, start: int = 0, stop: int | None = None
) -> list[dict[str, TensorStats]]:
    """Statistics of every value that a plan for the task needs, for each turn of the samples.

    measured: says how many turns there are; receives the channels that equalization asks for, and
    what is returned. All comes of one pass, which reads the same values whatever is asked for:
    which ones a runtime hands out decides what it fuses, and with it last bits.
    """
    wanted, gridded = observed_and_gridded(task.model, task.target, task.recipe)
    axes = channels_to_measure(task, (*wanted, *gridded))
    sums = None if measured is None else ChannelSums(axes)
    turns = 1 if measured is None else measured.turns
    found = observe_in_turns(task.model, wanted, data, turns, start=start, stop=stop, progress=progress, beside=axes, channels=sums)
    if measured is not None and sums is not None:
        measured.axes, measured.channels, measured.apart = axes, sums.stats(), tuple(found)
    return found


def channels_to_measure(task: Task, gridded: Iterable[str]) -> dict[str, int]:
    """The values whose channels later steps may ask for, with the axis of the channels.

    gridded: all that are observed or have a grid: who asks for one more runs the model once more.
    """
    model, channels = task.model, channel_classes(task.model)
    gridded = (*gridded, *fixed_ranges(model, task.target))
    rows = {} if task.recipe.input_grids != "by_output" else _rows(model, frozenset(gridded))
    return rows | values_to_measure(model, channels, gridded)


def _rows(model: ir.Model, gridded: Container[str]) -> dict[str, int]:
    """The values that MatMuls read by rows, with their last axis."""
    read = (node.inputs[0] for node in nodes(model) if is_op(node, "MatMul") and layer_of(node) is not None)
    return {str(value.name): size - 1 for value in read if value is not None and value.name in gridded and (size := rank(value))}


def equalized(start: Refining, data: Dataset, progress: Progress) -> Refining:
    """The draft with an equalized model and its plan, and the statistics of that model.

    It is unchanged if there is nothing to equalize.
    """
    task, plan = start.draft.task, start.draft.plan
    channels = channel_classes(task.model)
    stats = start.measured.of(task.model, values_to_measure(task.model, channels, plan.grids), data, progress)
    progress.start("equalize", None)
    shared = task.recipe.weights == "per_tensor" or "per_channel" not in task.target.weights.granularity
    exponents = equalizing_exponents(task.model, channels, stats, plan.grids, shared=shared, bits=short_codes(start.draft))
    if not exponents:
        return start
    if start.measured.equalized is None or start.measured.equalized[0] != exponents:
        model = task.model.clone()
        Equalize(factors_of(exponents))(model)
        start.measured.equalized = (exponents, model, _again(model, exponents, start, data, progress))
    _, model, statistics = start.measured.equalized
    start.draft.last.scaled = (exponents, model)
    new = _planned(model, statistics, task, start.rule, plan)
    return replace(start, draft=replace(start.draft, model=model, plan=new.with_equalization(exponents)), statistics=statistics)


def _again(model: ir.Model, scaled: Container[str], start: Refining, data: Dataset, progress: Progress) -> dict[str, TensorStats]:
    """The statistics of a model that differs from the draft's in the values that are scaled."""
    task, known = start.draft.task, start.statistics
    wanted = values_to_observe(model, task.target, task.recipe)
    new = observe(model, [name for name in wanted if name in scaled or name not in known], data, progress=progress)
    return {name: new[name] if name in new else known[name] for name in wanted}
