"""The public functions quantize, calibrate, prove and compare, and the order of their steps."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from edgeq.calibration.independence import fed_rightly
from edgeq.calibration.statistics_file import Statistics
from edgeq.data.constant_values import constant_warnings
from edgeq.data.dataset import Dataset
from edgeq.data.doubts import data_warnings
from edgeq.data.held_out import learning_part
from edgeq.data.input_scale import first_layer_gains
from edgeq.data.open import open_dataset
from edgeq.errors import BadData
from edgeq.graph.signature import input_specs, narrower
from edgeq.integers.legality.refuse import refuse_float, refuse_illegal, refuse_search
from edgeq.io.load import Loaded, load_model, load_proto
from edgeq.learn.door import Checkpoint, fine_tuned
from edgeq.passes.boundary.declared_types import declared_types, float32_edges
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.progress import Clock, Progress, Silent
from edgeq.proof.compare import CompareSettings, Comparison, compare_models
from edgeq.proof.evidence import Evidence, prove_all
from edgeq.proof.proof import Proof, prove_placement
from edgeq.refine.steps import decide, earlier_plan, take_statistics
from edgeq.report.from_run import QuantizeRun, Verdict, build_report, gate_of
from edgeq.report.quantized import Quantized as Quantized
from edgeq.rewrite.carry_out import carried_out, take_integers
from edgeq.rewrite.in_float32 import in_float32
from edgeq.rewrite.set_up import DataSource, as_split, set_up
from edgeq.schema.plan import Plan
from edgeq.schema.provenance import mark_gate, shorten_provenance
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
    statistics or a plan are given (fidelity is then not measured). statistics: from calibrate with
    the same model, target and recipe. plan: repeats an earlier run byte for byte. validation: data
    on which fidelity, floors and the candidates of effort "best" are measured; default: data. work:
    folder for the journal of a search of effort "best"; the same call continues from it. prove: run
    the result in onnxruntime and measure it. strict_data: warnings about the data are errors.
    checkpoint: where fine-tuning keeps its state. Raises EdgeqError, but not for a missed floor.
    """
    recipe, target, progress, clock = recipe or Recipe(), _target(target), progress or Silent(), Clock()
    with clock.stage("prepare"):
        progress.start("prepare", None)
        frozen = plan.shapes if plan is not None and not shapes else shapes
        setup = set_up(_load(model), target, recipe, frozen, data, plan)
        loaded, task = setup.loaded, setup.task
    data = {} if data is None and not input_specs(loaded.model) else data  # it runs without data
    dataset = None if data is None else setup.open(data, samples=recipe.samples)
    validation_data = dataset if validation is None else setup.open(validation, "evaluation")
    found = None
    if plan is not None:
        planned = earlier_plan(plan, task)
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
        result = carried_out(setup, planned.plan)
    notes = (*setup.prepared.notes, *(() if dataset is None else dataset.notes))
    doubts = _doubts(dataset, task, planned.plan, strict_data)
    with clock.stage("prove"):
        evidence = prove_all(loaded, task, planned, result, validation_data, progress) if prove else Evidence()
    take_integers(result, task)  # after the proof, which feeds floats
    shorten_provenance(result)  # after the proof, which reads all of it
    if target.integer_only:
        refuse_illegal(result, target)
    gate, missed = gate_of(evidence.comparison, recipe.floors)
    mark_gate(result, planned.plan.search.gate if gate == "none" and planned.plan.search is not None else gate)
    run = QuantizeRun(setup, planned.plan, result, dataset, evidence, clock, found)
    return Quantized(result, planned.plan, build_report(run, Verdict(doubts, notes, gate, missed)), loaded.path)


def _shown(data: Dataset | None, statistics: Statistics | None, recipe: Recipe) -> Dataset | None:
    """The data for the steps before training: without the samples held out to judge training."""
    return data if data is None or statistics is not None or not recipe.finetune.trains else learning_part(data)


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
    """Measure the values that a plan for this target needs, over samples start..stop-1 of the data.

    The statistics of disjoint shards merge bit for bit.
    """
    recipe, progress = recipe or Recipe(), progress or Silent()
    setup = set_up(_load(model), _target(target), recipe, shapes, data)
    return take_statistics(setup.task, setup.open(data, samples=recipe.samples), progress, start=start, stop=stop)


def prove(model: str | Path, float_model: ModelSource | None = None) -> Proof:
    """Find which nodes of a model file run on integer kernels in onnxruntime.

    With the float model, the proof says which of its nodes do.
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
    """Measure how far an int8 model is from its float model on data, output by output.

    With labels, the task accuracy of both models is measured too. layers: compare inner values too.
    """
    first, second = in_float32(_load(float_model)), in_float32(_load(int8_model, quantized=True))
    FloatBoundary()(second.model)
    reference = as_split(first.model, second.model)
    float32_edges(second.model, declared_types(reference))
    both = narrower(input_specs(reference), input_specs(second.model))
    dataset = fed_rightly(open_dataset(data, both, shapes=shapes, float_model=reference), reference)
    return compare_models(reference, second.model, dataset, CompareSettings(batch=batch, layers=layers), progress=progress)


def _load(model: ModelSource, *, quantized: bool = False) -> Loaded:
    if isinstance(model, Loaded):
        return model
    return load_model(model, quantized=quantized) if isinstance(model, str | Path) else load_proto(model, quantized=quantized)


def _target(target: str | Target) -> Target:
    return target if isinstance(target, Target) else load_target(target)


def _needed(data: Dataset | None) -> Dataset:
    if data is None:
        raise BadData("A search measures candidates on data, and there is none.", "--data", "Give --data, or leave --effort best out.")
    return data


def _doubts(dataset: Dataset | None, task: Task, plan: Plan, strict: bool) -> tuple[str, ...]:
    of_data = () if dataset is None else data_warnings(dataset, dataset.inputs, first_layer_gains(task.model))
    found = (*of_data, *constant_warnings(task.model, plan.constants, dataset, integer_only=task.target.integer_only))
    if found and strict:
        raise BadData(found[0], "--data", "Correct the data, or leave --strict-data out to get this as a warning.")
    return found
