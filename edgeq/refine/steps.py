"""From a prepared model and data to a plan: measure, decide, measure what rounding needs, decide
again.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeq.calibration.channel_stats import channel_stats
from edgeq.calibration.observe import observe
from edgeq.calibration.statistics_file import Statistics
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.dataset import Dataset
from edgeq.errors import BadData, BadPlan, BadStatistics
from edgeq.graph.channels import channel_classes
from edgeq.passes.quantize.equalize import Equalize
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.planning.first_plan import Origin, make_plan, values_to_observe
from edgeq.progress import Clock, Progress
from edgeq.refine.codebook_bits import Draft, FileSizes, plan_codebooks, unmeasured_codebooks
from edgeq.refine.equalization import equalizing_exponents, values_to_measure
from edgeq.refine.input_choice import choose_inputs
from edgeq.refine.reader_ranges import choose_reader_ranges
from edgeq.refine.round_apart import weighted_layers
from edgeq.refine.round_weights import round_weights
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.scaling import factors_of
from edgeq.schema.task import Planned, Task


def take_statistics(task: Task, data: Dataset, progress: Progress, *, start: int = 0, stop: int | None = None) -> Statistics:
    """Statistics of every value that a plan for the task needs."""
    wanted = values_to_observe(task.model, task.target, task.recipe)
    tensors = observe(task.model, wanted, data, start=start, stop=stop, progress=progress)
    return Statistics(task.model_hash, data.hash, task.settings, tensors)


def decide(task: Task, data: Dataset | None, known: Statistics | None, clock: Clock, progress: Progress) -> Planned:
    """Plan with data, with statistics of an earlier run, or both. Without data weights are rounded
    to nearest.
    """
    if data is None and known is None:
        raise BadData("There is no data to calibrate with.", "--data", "Give data, statistics (--stats) or a plan (--plan).")
    if known is not None:
        _check_statistics(known, task, data)
    with clock.stage("calibrate"):
        statistics = known if known is not None or data is None else take_statistics(task, data, progress)
    assert statistics is not None
    with clock.stage("plan"):
        origin = Origin(task.model_hash, statistics.data if data is None else data.hash, task.settings)
        plan = make_plan(task.model, statistics.tensors, task.target, task.recipe, origin)
        shapes = {name: tuple(sizes) for name, sizes in sorted(task.shapes.items())}
        plan = plan.with_inputs(shapes, task.pixels)
    first = (f"ranges ({task.recipe.rule})", plan)
    if data is None or task.recipe.effort == "fast":
        return Planned(plan, (first,)) if not task.recipe.codebook.wanted else _nearest(task, data, plan, first, progress)
    return Planned(*_refined(task, data, plan, statistics.tensors, first, clock, progress))


def _refined(
    task: Task,
    data: Dataset,
    plan: Plan,
    statistics: Mapping[str, TensorStats],
    first: tuple[str, Plan],
    clock: Clock,
    progress: Progress,
) -> tuple[Plan, tuple[tuple[str, Plan], ...]]:
    """The closed-form steps: equalize, choose input grids, round with the data in view, correct
    biases.
    """
    with clock.stage("calibrate"):
        model, equalized, statistics = _equalize(task, data, plan, statistics, progress)
        chosen = equalized
        if task.recipe.input_grids == "by_output":
            chosen = choose_inputs(model, equalized, statistics, task.target, task.recipe, data, progress)
            model = migrated(model, chosen.factors)
        ranged = choose_reader_ranges(model, chosen, task.target, task.recipe, data, progress)
    given = Draft(model, task.target, task.recipe, ranged, weighted_layers(model, ranged, task.target))
    steps: tuple[tuple[str, Plan], ...]
    if task.recipe.codebook.wanted:
        corrected = plan_codebooks(given, data, _files(task), lambda one: rewrite(task.model, one, task.target), clock, progress)
        steps = (("codebooks", corrected),)
    else:
        corrected, steps = round_weights(given, data, lambda one: rewrite(task.model, one, task.target), clock, progress)
    named = (("equalization", equalized), ("input grids by output error", chosen), ("ranges by their readers", ranged), *steps)
    before = (plan, *(one for _, one in named))
    return corrected, (first, *(step for step, last in zip(named, before, strict=False) if step[1] is not last))


def _nearest(task: Task, data: Dataset | None, plan: Plan, first: tuple[str, Plan], progress: Progress) -> Planned:
    """Codebooks without second moments: all inputs of a layer count alike."""
    given = Draft(task.model, task.target, task.recipe, plan, weighted_layers(task.model, plan, task.target))
    found = unmeasured_codebooks(given, data, _files(task), progress)
    return Planned(found, (first, ("codebooks", found)))


def _files(task: Task) -> FileSizes:
    return FileSizes(task.model_bytes, lambda plan: ir.to_proto(rewrite(task.model, plan, task.target)).ByteSize())


def _equalize(
    task: Task, data: Dataset, plan: Plan, known: Mapping[str, TensorStats], progress: Progress
) -> tuple[ir.Model, Plan, Mapping[str, TensorStats]]:
    """The equalized model, a plan for it and its statistics; all as they were where there is
    nothing to equalize.
    """
    channels = channel_classes(task.model)
    stats = channel_stats(task.model, values_to_measure(task.model, channels, plan.grids), data, progress)
    progress.start("equalize", None)
    shared = task.recipe.weights == "per_tensor" or "per_channel" not in task.target.weights.granularity
    exponents = equalizing_exponents(task.model, channels, stats, plan.grids, shared=shared)
    if not exponents:
        return task.model, plan, known
    model = task.model.clone()
    Equalize(factors_of(exponents))(model)
    statistics = observe(model, values_to_observe(model, task.target, task.recipe), data, progress=progress)
    new = make_plan(model, statistics, task.target, task.recipe, Origin(plan.model, plan.data, plan.settings))
    return model, new.with_inputs(plan.shapes, plan.pixels).with_equalization(exponents), statistics


def check_plan(plan: Plan, task: Task) -> Planned:
    """An earlier run's plan, if it is one for this model and target. Raises BadPlan."""
    if plan.model != task.model_hash:
        raise BadPlan("The plan was made for another model.", "--plan", "Use the plan that lies beside this model's int8 form.")
    if plan.target != task.target.name:
        what = f"The plan was made for target {plan.target!r}, not {task.target.name!r}."
        raise BadPlan(what, "--plan", f"Add --target {plan.target}.")
    return Planned(plan)


def _check_statistics(statistics: Statistics, task: Task, data: Dataset | None) -> None:
    if statistics.model != task.model_hash:
        raise BadStatistics("The statistics are of another model.", "--stats", "Calibrate this model with `edgeq calibrate`.")
    if statistics.settings != task.settings:
        fix = "Calibrate again with the same target, float nodes and shapes."
        raise BadStatistics("The statistics were taken with other settings.", "--stats", fix)
    if data is not None and statistics.data != data.hash:
        fix = "Give the data they were taken from, or leave --data out; judge with `edgeq compare` on other data."
        raise BadStatistics("The statistics were taken from other data.", "--stats", fix)
