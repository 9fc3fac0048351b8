"""The public functions quantize, calibrate, prove and compare, and the order of their steps."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from edgeq.calibration.doubted import doubted, doubted_values
from edgeq.calibration.independence import fed_rightly
from edgeq.calibration.memory import collecting_where_grown, return_freed_memory
from edgeq.calibration.statistics_file import Statistics
from edgeq.data.dataset import Dataset
from edgeq.data.doubts import DataDoubts, check_data
from edgeq.data.given.gather import Data, Preprocess, gathered, gathered_or_none
from edgeq.data.held_out import division_of
from edgeq.data.open import open_dataset
from edgeq.data.roles import Roles, roles_of
from edgeq.data.synthetic.images import SyntheticImages, widened, with_images, with_images_or_none
from edgeq.engines.opened import on_engine, opened
from edgeq.graph.signature import input_specs, narrower
from edgeq.integers.legality.refuse import refuse_float, refuse_illegal
from edgeq.io.model_source import ModelSource, load
from edgeq.io.run_files import files_read, watched
from edgeq.learn.door import Checkpoint, check_learning, clustering_of, fine_tuned
from edgeq.metrics.chosen import MetricLike, metric_or_none
from edgeq.progress import Clock, Progress, default_progress
from edgeq.proof.compare import CompareSettings, Comparison, compare_models
from edgeq.proof.evidence import Evidence, prove_all
from edgeq.proof.floor_needs import check_floor_needs
from edgeq.proof.proof import Proof, prove_placement
from edgeq.proof.written import Form, compare_file, form_of
from edgeq.refine.judge import Judge
from edgeq.refine.steps import decide, take_statistics
from edgeq.report.detail.gather import gather
from edgeq.report.formats import unused_formats
from edgeq.report.from_run import QuantizeRun, Verdict, build_report, gate_of
from edgeq.report.quantized import Quantized as Quantized
from edgeq.rewrite.carry_out import carried_out, finish
from edgeq.rewrite.set_up import comparable, set_up
from edgeq.runtimes.judged import judged
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Floors, Recipe, RecipeLike, recipe_of
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Shapes
from edgeq.search.planned import planned_by
from edgeq.search.rescue import Rescue


@watched
@on_engine(recipe_of)
@collecting_where_grown()
def quantize(
    model: ModelSource,
    data: Data | None = None,
    *,
    preprocess: Preprocess | None = None,
    target: str | Target = "cpu",
    recipe: RecipeLike | None = None,
    shapes: Shapes | None = None,
    statistics: Statistics | None = None,
    plan: Plan | None = None,
    validation: Data | None = None,
    metric: MetricLike | None = None,
    work: str | Path | None = None,
    prove: bool = True,
    data_doubts: DataDoubts = "refuse",
    checkpoint: Checkpoint | None = None,
    form: Form = "onnx",
    detail: bool = False,
    progress: Progress | None = None,
) -> Quantized:
    """Make an int8 model from a float model and calibration data.

    model: path, bytes, ModelProto or onnx_ir model. data, preprocess: see edgeq.data.given.gather;
    not needed with statistics or a plan, which repeats a run byte for byte. validation: measures
    all; default: what is held out. metric: see edgeq.Metric. work: of what continues. data_doubts:
    see DataDoubts. form: of the file. detail: for an HTML report. Raises EdgeqError.
    """
    recipe, target, progress, clock = recipe_of(recipe), load_target(target), progress or default_progress(), Clock()
    data, validation = gathered_or_none(data, preprocess, recipe.samples), gathered_or_none(validation, preprocess)
    data, judged_by = with_images_or_none(data, recipe), metric_or_none(metric)
    recipe = widened(recipe, target, made_up=isinstance(data, SyntheticImages) or (statistics is not None and statistics.made_up))
    progress.start("prepare", None)
    with clock.stage("prepare"):
        setup = set_up(load(model), target, recipe, plan.shapes if plan is not None and not shapes else shapes, data, plan)
        loaded, task = setup.loaded, replace(setup.task, clustering=clustering_of(recipe.codebook.solver))
        return_freed_memory()
    dataset = setup.open_or_none(data, recipe.samples, judged_by)
    doubts = doubted(dataset, statistics, task, plan, data_doubts, progress)
    apart = None if validation is None else setup.open(validation, "evaluation", metric=judged_by)
    roles = roles_of(dataset, apart, recipe, plan, None if statistics is None else statistics.held_out)
    check_floor_needs(recipe.floors, roles.judging, prove=prove, metric=judged_by)
    judge = None if roles.judging is None else Judge.of(loaded.model, roles.judging, target, progress)
    check_learning(task, roles.division)
    decided = partial(decide, task, roles.division, statistics, clock, progress, judge)
    planned, found, rescue = planned_by(setup, roles, judge, decided, plan, work, clock, progress)
    planned = fine_tuned(task, planned, roles.division, clock, progress, checkpoint or Checkpoint(), judged_by)
    refuse_float(planned.plan, target)
    with clock.stage("rewrite"):
        result = carried_out(setup, planned.plan)
    notes = (*setup.prepared.notes, *_notes(dataset, roles, statistics, recipe, rescue), *unused_formats(planned.plan, recipe))
    doubts += doubted_values(dataset, task, planned.plan, data_doubts)
    known = judge.known if judge else None
    with clock.stage("prove"):
        evidence = prove_all(loaded, task, planned, result, roles, known, progress, form) if prove else Evidence("not_asked")
        seen = gather(setup, planned.plan, result, roles, evidence, progress) if detail else None
    gate, missed = gate_of(evidence.reported, recipe.floors)
    finish(result, task, planned.plan, gate)
    refuse_illegal(result, target)
    run = QuantizeRun(setup, planned.plan, result, roles, evidence, clock, found, planned.skipped, form, planned.training, seen)
    return Quantized(result, planned.plan, build_report(run, Verdict(doubts, notes, gate, missed)), files_read(loaded.path))


@watched
def calibrate(
    model: ModelSource,
    data: Data,
    *,
    preprocess: Preprocess | None = None,
    target: str | Target = "cpu",
    recipe: RecipeLike | None = None,
    shapes: Shapes | None = None,
    start: int = 0,
    stop: int | None = None,
    work: str | Path | None = None,
    data_doubts: DataDoubts = "refuse",
    progress: Progress | None = None,
) -> Statistics:
    """Measure the values that a plan for this target needs, over samples start..stop-1 of the data.

    Samples that the recipe holds out are left out, by their index in the whole data. The statistics
    of disjoint shards merge bit for bit. work: of finished shards, with which the same call goes
    on. data, preprocess, data_doubts: as for quantize.
    """
    recipe, progress = recipe_of(recipe), progress or default_progress()
    data = with_images(gathered(data, preprocess, recipe.samples), recipe)
    setup = set_up(load(model), load_target(target), recipe, shapes, data)
    dataset = setup.open(data, samples=recipe.samples, unlabelled=True)
    check_data(dataset, setup.task.model, data_doubts, progress)
    division = division_of(dataset, recipe)
    with opened(recipe.engine, work), judged(setup.loaded.model):
        return take_statistics(setup.task, division, progress, start=start, stop=stop)


def prove(model: str | Path, float_model: ModelSource | None = None) -> Proof:
    """Find which nodes of a model file run on integer kernels in onnxruntime.

    With the float model, the proof says which of its nodes do.
    """
    return prove_placement(Path(model), None if float_model is None else load(float_model).model)


@watched
def compare(
    float_model: ModelSource,
    int8_model: ModelSource,
    data: Data,
    *,
    preprocess: Preprocess | None = None,
    batch: int = 8,
    layers: bool = False,
    shapes: Shapes | None = None,
    metric: MetricLike | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure how far an int8 model is from its float model on data, output by output.

    With labels or a `metric` (see edgeq.Metric), the task metric of both models is measured too.
    layers: compare inner values too. int8_model may be the path of a .tflite file, for which
    batch and layers say nothing.
    """
    data, judged_by = gathered(data, preprocess), metric_or_none(metric)
    if isinstance(int8_model, str | Path) and form_of(Path(int8_model)) == "tflite":
        return compare_file(load(float_model), Path(int8_model), data, shapes, progress or default_progress(), judged_by)
    reference, int8 = comparable(load(float_model), load(int8_model, quantized=True))
    both = narrower(input_specs(reference), input_specs(int8))
    dataset = fed_rightly(open_dataset(data, both, shapes=shapes, float_model=reference, metric=judged_by), reference)
    check_floor_needs(Floors(), dataset, metric=judged_by)
    return compare_models(reference, int8, dataset, CompareSettings(batch=batch, layers=layers), progress=progress)


def _notes(dataset: Dataset | None, roles: Roles, statistics: Statistics | None, recipe: Recipe, rescue: Rescue | None) -> tuple[str, ...]:
    """What became of a useless plan, and what the data tells of itself."""
    notes = (*(() if rescue is None else (rescue.told,)), *(() if dataset is None else dataset.notes))
    if statistics is None or roles.whole is None or roles.on != "calibration" or division_of(roles.whole, recipe).held_out is None:
        return notes
    return (*notes, "No sample is held out: the statistics saw all samples. Calibrate again to have every fifth held out.")
