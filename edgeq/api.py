"""The story on one screen: load -> prepare -> calibrate -> plan -> rewrite -> prove."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import onnx_ir as ir

from edgeq.calibration.statistics_file import Statistics
from edgeq.data.dataset import Dataset
from edgeq.data.doubts import data_warnings
from edgeq.data.held_out import learning_part
from edgeq.data.input_scale import first_layer_gains
from edgeq.data.open import open_dataset
from edgeq.errors import BadData, FloorMissed
from edgeq.graph.signature import input_specs, narrower
from edgeq.integers.legality.refuse import refuse_float, refuse_illegal, refuse_search
from edgeq.io.load import Loaded, load_model, load_proto
from edgeq.learn.door import Checkpoint, fine_tuned
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.passes.boundary.integer_boundary import IntegerBoundary
from edgeq.passes.boundary.pixel_boundary import PixelBoundary
from edgeq.passes.prepare.forget_shapes import ForgetShapes
from edgeq.progress import Clock, Progress, Silent
from edgeq.prove.compare import Comparison, check_floors, compare_models
from edgeq.prove.evidence import Evidence, prove_all
from edgeq.prove.proof import Proof, prove_placement
from edgeq.refine.steps import check_plan, decide, take_statistics
from edgeq.report.codebooks import planned_layers
from edgeq.report.from_run import Verdict, build_report
from edgeq.report.quantized import Quantized as Quantized
from edgeq.rewrite.pipeline import rewrite
from edgeq.rewrite.set_up import DataSource, SetUp, set_up
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import Gate, mark_gate, write_provenance
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Shapes, Task
from edgeq.search.search import SearchTask, search

ModelSource = str | Path | onnx.ModelProto | ir.Model | Loaded


def quantize(
    model: ModelSource,
    data: DataSource | None = None,
    *,
    target: str | Target = "cpu",
    recipe: Recipe | None = None,
    shapes: Shapes | None = None,
    statistics: Statistics | None = None,
    plan: Plan | None = None,
    validation: DataSource | None = None,
    work: str | Path | None = None,
    prove: bool = True,
    strict_data: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Quantized:
    """Make an int8 model from a float model and calibration data.

    model: path, ModelProto or onnx_ir model. data: see open_dataset; may be left out when
    statistics or a plan are given (then fidelity is not measured). statistics: of an earlier
    calibrate with the same model, target and recipe. plan: repeats an earlier run byte for byte.
    validation: what fidelity, floors and the candidates of effort "best" are measured on; default:
    data. work: folder in which a search of effort "best" keeps its journal; the same call goes on
    from there. prove: run the result in onnxruntime and measure it. checkpoint: of fine-tuning,
    where the recipe wants that; it goes on from a given plan. Raises EdgeqError; a missed floor of
    the recipe does not raise, it is said in report.gate.
    """
    recipe, target, progress, clock = recipe or Recipe(), _target(target), progress or Silent(), Clock()
    with clock.stage("prepare"):
        progress.start("prepare", None)
        frozen = plan.shapes if plan is not None and not shapes else shapes
        setup = set_up(_load(model), target, recipe, frozen, data, plan)
        loaded, task = setup.loaded, setup.task
    dataset = None if data is None else setup.open(data, samples=recipe.samples)
    validation_data = dataset if validation is None else setup.open(validation, "evaluation")
    found = None
    if plan is not None:
        planned = check_plan(plan, task)
    elif recipe.effort == "best":
        refuse_search(target)
        search_task = SearchTask(loaded, task, _needed(dataset), _needed(validation_data), None if work is None else Path(work))
        planned, found = search(search_task, lambda: decide(task, dataset, statistics, clock, progress), clock, progress)
    else:
        planned = decide(task, _shown(dataset, statistics, recipe), statistics, clock, progress)
    planned = fine_tuned(task, planned, dataset, clock, progress, checkpoint or Checkpoint())
    if target.integer_only:
        refuse_float(planned.plan, target)
    with clock.stage("rewrite"):
        result = _carried_out(setup, planned.plan)
    notes = (*setup.prepared.notes, *(() if dataset is None else dataset.notes))
    doubts = () if dataset is None else _doubts(dataset, task, strict_data)
    with clock.stage("prove"):
        evidence = prove_all(loaded, task, planned, result, validation_data, progress) if prove else Evidence()
    _take_integers(result, task)  # after the proof, which feeds floats
    if target.integer_only:
        refuse_illegal(result, target)
    gate, missed = _gate(evidence.comparison, recipe)
    mark_gate(result, planned.plan.search.gate if gate == "none" and planned.plan.search is not None else gate)
    report = build_report(loaded, result, planned.plan, dataset, recipe, evidence, clock, Verdict(doubts, notes, gate, missed))
    report = replace(report, search=found, codebooks=planned_layers(task.model, planned.plan))
    return Quantized(result, planned.plan, report, loaded.path)


def _shown(data: Dataset | None, statistics: Statistics | None, recipe: Recipe) -> Dataset | None:
    """What the closed-form steps see: where training follows, not the samples that judge it."""
    return data if data is None or statistics is not None or not recipe.finetune.trains else learning_part(data)


def _carried_out(setup: SetUp, plan: Plan) -> ir.Model:
    task = setup.task
    result = rewrite(task.model, plan, task.target)
    write_provenance(result, setup.loaded.model, setup.prepared.vanished, plan)
    ForgetShapes()(result)
    return result


def calibrate(
    model: ModelSource,
    data: DataSource,
    *,
    target: str | Target = "cpu",
    recipe: Recipe | None = None,
    shapes: Shapes | None = None,
    start: int = 0,
    stop: int | None = None,
    progress: Progress | None = None,
) -> Statistics:
    """Statistics of the values that a plan for this target needs, over samples start..stop of the
    data: shards merge bit for bit.
    """
    recipe, progress = recipe or Recipe(), progress or Silent()
    setup = set_up(_load(model), _target(target), recipe, shapes, data)
    return take_statistics(setup.task, setup.open(data, samples=recipe.samples), progress, start=start, stop=stop)


def prove(model: str | Path, float_model: ModelSource | None = None) -> Proof:
    """Which nodes of a model file run on integer kernels in onnxruntime; with the float model:
    which of its nodes do.
    """
    return prove_placement(Path(model), None if float_model is None else _load(float_model).model)


def compare(
    float_model: ModelSource,
    int8_model: ModelSource,
    data: DataSource,
    *,
    batch: int = 8,
    layers: bool = False,
    shapes: Shapes | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """How far an int8 model is from its float model on data, output by output; with labels also the
    task accuracy of both.
    """
    first, second = _load(float_model), _load(int8_model, quantized=True)
    FloatBoundary()(second.model)
    both = narrower(input_specs(first.model), input_specs(second.model))
    dataset = open_dataset(data, both, shapes=shapes)
    return compare_models(first.model, second.model, dataset, batch=batch, layers=layers, progress=progress)


def _load(model: ModelSource, *, quantized: bool = False) -> Loaded:
    if isinstance(model, Loaded):
        return model
    return load_model(model, quantized=quantized) if isinstance(model, str | Path) else load_proto(model, quantized=quantized)


def _target(target: str | Target) -> Target:
    return target if isinstance(target, Target) else load_target(target)


def _take_integers(result: ir.Model, task: Task) -> None:
    PixelBoundary(task.pixels, task.pixel_grids)(result)  # first: the other one would make codes of the target's own type of these inputs
    if not task.target.float_io:
        IntegerBoundary()(result)


def _needed(data: Dataset | None) -> Dataset:
    if data is None:
        raise BadData("A search measures candidates on data, and there is none.", "--data", "Give --data, or leave --effort best out.")
    return data


def _doubts(dataset: Dataset, task: Task, strict: bool) -> tuple[str, ...]:
    found = data_warnings(dataset, dataset.inputs, first_layer_gains(task.model))
    if found and strict:
        raise BadData(found[0], "--data", "Mend the data, or leave --strict-data out to get this as a warning.")
    return found


def _gate(comparison: Comparison | None, recipe: Recipe) -> tuple[Gate, tuple[str, ...]]:
    if not recipe.floors.wanted:
        return "none", ()
    if comparison is None:
        raise FloorMissed("The floors cannot be checked: nothing was compared.", "--min-...", "Give --data and leave --no-prove out.")
    missed = check_floors(comparison, recipe.floors)
    return ("failed" if missed else "passed"), missed
