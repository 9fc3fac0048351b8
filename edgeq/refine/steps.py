"""From a prepared model and data to a plan: measure, plan, measure for rounding, and refine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from edgeq.calibration.channel_stats import channel_stats
from edgeq.calibration.observe import observe
from edgeq.calibration.statistics_file import Statistics
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.dataset import Dataset
from edgeq.errors import BadData, BadPlan, BadStatistics
from edgeq.graph.channels.classes import channel_classes
from edgeq.passes.quantize.equalize import Equalize
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.progress import Clock, Progress
from edgeq.refine.codebooks.steps import FileSizes, plan_codebooks, unmeasured_codebooks
from edgeq.refine.draft import Draft
from edgeq.refine.equalization import equalizing_exponents, values_to_measure
from edgeq.refine.input_grids.choice import choose_inputs
from edgeq.refine.reader_ranges import choose_reader_ranges
from edgeq.refine.round_weights import round_weights
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.scaling import factors_of
from edgeq.schema.task import Planned, Task


def take_statistics(task: Task, data: Dataset, progress: Progress, *, start: int = 0, stop: int | None = None) -> Statistics:
    """Measure the statistics of every value that a plan for the task needs."""
    wanted = values_to_observe(task.model, task.target, task.recipe)
    tensors = observe(task.model, wanted, data, start=start, stop=stop, progress=progress)
    return Statistics(task.model_hash, data.hash, task.settings, tensors)


def decide(task: Task, data: Dataset | None, known: Statistics | None, clock: Clock, progress: Progress) -> Planned:
    """Plan with data, with statistics of an earlier run, or with both.

    Without data, weights are rounded to nearest. Raises BadData if there is neither, BadStatistics
    if the statistics do not belong to the task or the data.
    """
    if data is None and known is None:
        raise BadData("There is no data to calibrate with.", "--data", "Give data, statistics (--stats) or a plan (--plan).")
    if known is not None:
        _check_statistics(known, task, data)
    with clock.stage("calibrate"):
        statistics = known if known is not None or data is None else take_statistics(task, data, progress)
    assert statistics is not None
    with clock.stage("plan"):
        origin = MadeFrom(task.model_hash, statistics.data if data is None else data.hash, task.settings)
        plan = make_plan(task.model, statistics.tensors, task.target, task.recipe, origin)
        shapes = {name: tuple(sizes) for name, sizes in sorted(task.shapes.items())}
        plan = plan.with_inputs(shapes, task.pixels)
    first = (f"ranges ({task.recipe.rule})", plan)
    draft = Draft(task, task.model, plan)
    if data is not None and task.recipe.effort != "fast":
        planned = _refined(draft, data, statistics.tensors, clock, progress)
    elif task.recipe.codebook.wanted:  # without second moments, all inputs of a layer count alike
        planned = unmeasured_codebooks(draft, data, _files(task), progress)
    else:
        planned = Planned(plan, plan)
    return replace(planned, steps=(first, *planned.steps))


def _refined(draft: Draft, data: Dataset, statistics: Mapping[str, TensorStats], clock: Clock, progress: Progress) -> Planned:
    """The closed-form steps: equalize, choose input grids, round with data, correct biases.

    Only the steps that changed something are listed in the result.
    """
    task, before = draft.task, draft.plan
    with clock.stage("calibrate"):
        draft, statistics = _equalize(draft, data, statistics, progress)
        equalized = chosen = draft.plan
        if task.recipe.input_grids == "by_output":
            chosen = choose_inputs(draft, statistics, data, progress)
            draft = Draft(task, migrated(draft.model, chosen.factors), chosen)
        ranged = choose_reader_ranges(draft, data, progress)
        draft = draft.with_plan(ranged)
    if task.recipe.codebook.wanted:
        planned = plan_codebooks(draft, data, _files(task), clock, progress)
    else:
        planned = round_weights(draft, data, clock, progress)
    named = (("equalization", equalized), ("input grids by output error", chosen), ("ranges by their readers", ranged), *planned.steps)
    earlier = (before, *(plan for _, plan in named))
    return replace(planned, steps=tuple(step for step, last in zip(named, earlier, strict=False) if step[1] is not last))


def _files(task: Task) -> FileSizes:
    return FileSizes(task.model_bytes, lambda plan: ir.to_proto(rewrite(task.model, plan, task.target)).ByteSize())


def _equalize(draft: Draft, data: Dataset, known: Mapping[str, TensorStats], progress: Progress) -> tuple[Draft, Mapping[str, TensorStats]]:
    """The draft with an equalized model and its plan, and the statistics of that model.

    Both unchanged if there is nothing to equalize.
    """
    task, plan = draft.task, draft.plan
    channels = channel_classes(task.model)
    stats = channel_stats(task.model, values_to_measure(task.model, channels, plan.grids), data, progress)
    progress.start("equalize", None)
    shared = task.recipe.weights == "per_tensor" or "per_channel" not in task.target.weights.granularity
    exponents = equalizing_exponents(task.model, channels, stats, plan.grids, shared=shared)
    if not exponents:
        return draft, known
    model = task.model.clone()
    Equalize(factors_of(exponents))(model)
    statistics = observe(model, values_to_observe(model, task.target, task.recipe), data, progress=progress)
    new = make_plan(model, statistics, task.target, task.recipe, MadeFrom(plan.model, plan.data, plan.settings))
    return Draft(task, model, new.with_inputs(plan.shapes, plan.pixels).with_equalization(exponents)), statistics


def earlier_plan(plan: Plan, task: Task) -> Planned:
    """The plan of an earlier run, if it is for this model and target. Raises BadPlan otherwise."""
    if plan.model != task.model_hash:
        raise BadPlan("The plan was made for another model.", "--plan", "Use the plan that lies beside this model's int8 form.")
    if plan.target != task.target.name:
        what = f"The plan was made for target {plan.target!r}, not {task.target.name!r}."
        raise BadPlan(what, "--plan", f"Add --target {plan.target}.")
    return Planned(plan, plan)


def _check_statistics(statistics: Statistics, task: Task, data: Dataset | None) -> None:
    if statistics.model != task.model_hash:
        raise BadStatistics("The statistics are of another model.", "--stats", "Calibrate this model with `edgeq calibrate`.")
    if statistics.settings != task.settings:
        fix = "Calibrate again with the same target, float nodes and shapes."
        raise BadStatistics("The statistics were taken with other settings.", "--stats", fix)
    if data is not None and statistics.data != data.hash:
        fix = "Give the data they were taken from, or leave --data out; judge with `edgeq compare` on other data."
        raise BadStatistics("The statistics were taken from other data.", "--stats", fix)
