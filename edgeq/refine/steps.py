"""From a prepared model and data to a plan: measure, plan, measure for rounding, and refine.

Each step of the refinement is kept only where it does not lower the SQNR on the samples that judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from edgeq.calibration.observe import merged
from edgeq.calibration.statistics_file import Statistics
from edgeq.data.dataset import Dataset
from edgeq.data.held_out import Division
from edgeq.errors import BadData, BadPlan, BadStatistics
from edgeq.io.writing.external_form import written_size
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.planning.first_plan import MadeFrom, make_plan
from edgeq.progress import Clock, Progress
from edgeq.refine.by_readers.ranges import choose_reader_ranges
from edgeq.refine.codebooks.steps import FileSizes, plan_codebooks, unmeasured_codebooks
from edgeq.refine.draft import Draft
from edgeq.refine.few_samples import HALVES, needs_halves, ranged_by_halves
from edgeq.refine.first_steps import Measured, Refining, equalized, ranged, seen
from edgeq.refine.gate import Gate
from edgeq.refine.input_grids.choice import choose_inputs
from edgeq.refine.judge import Judge, Judging
from edgeq.refine.round_weights import APART, BIASES, IN_SEQUENCE, round_weights
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Planned, Step, Task

#: names of steps before rounding
EQUALIZATION, BY_OUTPUT, BY_READERS = "equalization", "input grids by output error", "ranges by their readers"
#: what codebooks lack without data: all inputs of a layer count alike
MEASURED_CODEBOOKS = "codebooks weighted by the inputs of their layers"


def take_statistics(
    task: Task, data: Division, progress: Progress, *, start: int = 0, stop: int | None = None, measured: Measured | None = None
) -> Statistics:
    """Measure the statistics of every value that a plan for the task needs.

    start, stop: a range of samples of the whole data, of which those held out are left out.
    measured: receives what later steps need of the same pass, the statistics by turns among it.
    Raises BadData for a range that is not in the data.
    """
    first, last = data.fitted_range(start, stop)
    whole = reduce(merged, seen(task, data.fitted, progress, measured, first, last))
    tensors = {name: replace(stats, samples=data.indices[stats.samples]) for name, stats in whole.items()}
    return Statistics(task.model_hash, data.whole.hash, task.settings, tensors, data.rule, data.whole.made_up)


def decide(
    task: Task, data: Division | None, known: Statistics | None, clock: Clock, progress: Progress, judge: Judge | None = None
) -> Planned:
    """Plan with data, with statistics of an earlier run, or with both.

    Without data, weights are rounded to nearest. judge: decides which steps are kept; None: all
    are. Raises BadData if there is neither data nor statistics, BadStatistics if the statistics do
    not belong to the task or the data.
    """
    if data is None and known is None:
        raise BadData("There is no data to calibrate with.", "--data", "Give data, statistics (--stats) or a plan (--plan).")
    if known is not None:
        _check_statistics(known, task, data)
    halves = data is not None and judge is not None and judge.data is data.whole and needs_halves(task, data.fitted)
    measured, closely = Measured(HALVES if halves else 1), data is not None and task.recipe.effort != "fast"
    with clock.stage("calibrate"):
        asked = measured if closely else None
        statistics = known if known is not None or data is None else take_statistics(task, data, progress, measured=asked)
    assert statistics is not None
    with clock.stage("plan"):
        origin = MadeFrom(task.model_hash, statistics.data, task.settings, statistics.held_out)
        plan = make_plan(task.model, statistics.tensors, task.target, task.recipe, origin)
        shapes = {name: tuple(sizes) for name, sizes in sorted(task.shapes.items())}
        plan = plan.with_inputs(shapes, task.pixels)
    draft = Draft(task, task.model, plan)
    gate = Gate(Step(f"ranges ({task.recipe.rule})", plan), judge, draft.shown, clock)
    skipped = steps_with_data(task.recipe) if data is None else ()
    if data is not None and closely:
        # the samples that a rule was fitted to would choose the ranges that hold all of them
        return _refined(
            Refining(draft, statistics.tensors, task.recipe.rule, measured), data.fitted, gate, progress, _comparing(data, judge)
        )
    if task.recipe.small_weights:  # without second moments, all inputs of a layer count alike
        planned = unmeasured_codebooks(draft, None if data is None else data.fitted, _files(task), gate, progress)
        return replace(planned, skipped=skipped)
    return Planned(plan, plan, tuple(gate.steps), skipped)


def steps_with_data(recipe: Recipe) -> tuple[str, ...]:
    """Names of the steps that `decide` takes with data in view, in order; none with effort fast."""
    if recipe.effort == "fast":
        return ()
    grids = (BY_OUTPUT,) if recipe.input_grids == "by_output" else ()
    if recipe.small_weights:
        return (EQUALIZATION, *grids, BY_READERS, MEASURED_CODEBOOKS)
    return (EQUALIZATION, *grids, BY_READERS, IN_SEQUENCE if recipe.rounds_in_sequence else APART, BIASES)


def _comparing(data: Division, judge: Judge | None) -> Judging | None:
    """All samples; those that judge, if they are other data; None where all are fitted to."""
    if judge is None or judge.data is data.whole:
        return None
    return data.whole if judge.data is data.held_out else judge.data


#: a step before rounding: its name, and what it makes of a draft
_Change = tuple[str, Callable[[Refining], Refining]]


def _refined(start: Refining, data: Dataset, gate: Gate, progress: Progress, whole: Judging | None) -> Planned:
    """The closed-form steps: equalize, choose input grids, round with data, correct biases.

    whole: what compares two ways to the end; None where only samples that are fitted to judge.
    """
    task = start.draft.task

    def equalize(one: Refining) -> Refining:
        return equalized(one, data, progress)

    def choose_grids(one: Refining) -> Refining:
        chosen = choose_inputs(one.draft, one.statistics, one.ends(), data, progress)
        if chosen is one.draft.plan:
            return one
        return replace(one, draft=replace(one.draft, model=migrated(one.draft.model, chosen.factors), plan=chosen))

    def choose_ranges(one: Refining) -> Refining:
        return replace(one, draft=one.draft.with_plan(choose_reader_ranges(one.draft, data, progress)))

    def finish(one: Draft, gate: Gate) -> Planned:
        if task.recipe.small_weights:
            return plan_codebooks(one, data, _files(task), gate, progress)
        return round_weights(one, data, gate, progress)

    grids: list[_Change] = [(BY_OUTPUT, choose_grids)] if task.recipe.input_grids == "by_output" else []
    changes: list[_Change] = [(EQUALIZATION, equalize), *grids, (BY_READERS, choose_ranges)]

    def to_the_end(one: Refining, gate: Gate) -> Planned:
        return _through(changes, one, finish, gate)

    return to_the_end(ranged_by_halves(start, gate, data, progress), gate) if whole is None else ranged(start, gate, to_the_end, whole)


def _through(changes: Sequence[_Change], start: Refining, finish: Callable[[Draft, Gate], Planned], gate: Gate) -> Planned:
    """One change after the other, then what finishes the plan.

    The next starts from the draft before a change that the gate does not take. One that was dropped
    by little is tried to the end.
    """
    if not changes:
        return finish(start.draft, gate)
    (name, change), *rest = changes
    with gate.clock.stage("calibrate"):
        changed = change(start)
    if gate.takes(name, changed.draft.plan):
        return _through(rest, changed, finish, gate)
    doubted = gate.doubts
    planned = _through(rest, start, finish, gate)
    if not doubted:
        return planned
    opened = gate.opened(planned.draft)
    full = _through(rest, changed, finish, opened)
    return planned if opened.behind else gate.again(name, full, planned)


def _files(task: Task) -> FileSizes:
    return FileSizes(task.model_bytes, lambda plan: written_size(rewrite(task.model, plan, task.target)))


def earlier_plan(plan: Plan, task: Task) -> Planned:
    """The plan of an earlier run, if it is for this model and target. Raises BadPlan otherwise."""
    if plan.model != task.model_hash:
        raise BadPlan("The plan was made for another model.", "--plan", "Use the plan that lies beside this model's int8 form.")
    if plan.target != task.target.name:
        what = f"The plan was made for target {plan.target!r}, not {task.target.name!r}."
        raise BadPlan(what, "--plan", f"Add --target {plan.target}.")
    return Planned(plan, plan)


def _check_statistics(statistics: Statistics, task: Task, data: Division | None) -> None:
    if statistics.model != task.model_hash:
        raise BadStatistics("The statistics are of another model.", "--stats", "Calibrate this model with `edgeq calibrate`.")
    if statistics.settings != task.settings:
        fix = "Calibrate again with the same target, float nodes and shapes."
        raise BadStatistics("The statistics were taken with other settings.", "--stats", fix)
    if statistics.held_out != "none" and not task.recipe.hold_out:
        what = "The statistics left every fifth sample out, and --no-hold-out asks for all."
        raise BadStatistics(what, "--stats", "Leave --no-hold-out out, or calibrate again with it.")
    if data is not None and statistics.data != data.whole.hash:
        fix = "Give the data they were taken from, or leave --data out; judge with `edgeq compare` on other data."
        raise BadStatistics("The statistics were taken from other data.", "--stats", fix)
