"""The story on one screen: load -> prepare -> calibrate -> plan -> rewrite -> prove."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from edgeq.calibrate import observe
from edgeq.compare import Comparison, check_floors, compare_models
from edgeq.data_stream import Dataset
from edgeq.data_warnings import data_warnings
from edgeq.dataset import open_dataset
from edgeq.decide import Provenance, make_plan, settings_of, values_to_observe
from edgeq.errors import BadData, BadPlan, BadStatistics, FloorMissed
from edgeq.input_scale import first_layer_gains
from edgeq.inputs import input_specs
from edgeq.latency import Latency, measure_latency
from edgeq.load import Loaded, load_model, load_proto
from edgeq.pipeline import lower, rewrite
from edgeq.plan import Plan
from edgeq.prepare import Prepared, prepare
from edgeq.progress import Progress, Silent
from edgeq.prove import Placement, prove_placement
from edgeq.provenance import Gate, mark_gate, write_provenance
from edgeq.recipe import Recipe
from edgeq.report import Report
from edgeq.run_report import Clock, Evidence, build_report
from edgeq.save import save_model
from edgeq.statistics_file import Statistics
from edgeq.target import Target, load_target

ModelSource = str | Path | onnx.ModelProto | ir.Model | Loaded
DataSource = str | Path | Mapping[str, NDArray[np.generic]]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Quantized:
    """An int8 model with the plan that made it and the report on what came of it."""

    model: ir.Model
    plan: Plan
    report: Report
    source: Path | None

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model, atomically. Raises BadOutput: the path exists and force is off, or it is the float model's."""
        save_model(self.model, Path(path), force=force, inputs=[] if self.source is None else [self.source])


def quantize(
    model: ModelSource,
    data: DataSource | None = None,
    *,
    target: str | Target = "cpu",
    recipe: Recipe | None = None,
    shapes: Shapes | None = None,
    statistics: Statistics | None = None,
    plan: Plan | None = None,
    prove: bool = True,
    strict_data: bool = False,
    progress: Progress | None = None,
) -> Quantized:
    """Make an int8 model from a float model and calibration data.

    model: path, ModelProto or onnx_ir model. data: see open_dataset; may be left out when statistics or a plan are given (then
    fidelity is not measured). statistics: of an earlier calibrate with the same model, target and recipe. plan: repeats an earlier
    run byte for byte. prove: run the result in onnxruntime and measure it. Raises EdgeqError; a missed floor of the recipe does
    not raise, it is said in report.gate.
    """
    wish, chip, watcher, clock = recipe or Recipe(), _target(target), progress or Silent(), Clock()
    with clock.stage("prepare"):
        watcher.start("prepare", None)
        loaded = _load(model)
        prepared = _prepare(loaded, chip, wish, shapes)
    dataset = None if data is None else _open(data, prepared, wish, shapes)
    if plan is None:
        known = statistics or _calibrate(loaded, prepared, _given(dataset), chip, wish, shapes, clock, watcher)
        _check_statistics(known, loaded, chip, wish, shapes)
        with clock.stage("plan"):
            made = make_plan(prepared.model, known.tensors, chip, wish, Provenance(known.model, known.data, known.settings))
    else:
        made = _check_plan(plan, loaded, chip)
    with clock.stage("rewrite"):
        result = rewrite(prepared.model, made, chip)
        write_provenance(result, loaded.model, prepared.vanished, made)
    doubts = () if dataset is None else data_warnings(dataset, dataset.inputs, first_layer_gains(prepared.model))
    if doubts and strict_data:
        raise BadData(doubts[0], "--data", "Mend the data, or leave --strict-data out to get this as a warning.")
    with clock.stage("prove"):
        evidence = _evidence(loaded, result, dataset, wish, watcher) if prove else Evidence()
    gate, missed = _gate(evidence.comparison, wish)
    mark_gate(result, gate)
    report = build_report(loaded, result, made, dataset, chip, wish, evidence, clock, (*prepared.notes, *doubts), gate, missed)
    return Quantized(result, made, report, loaded.path)


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
    """Statistics of the values that a plan for this target needs, over samples start..stop of the data: shards merge bit for bit."""
    wish, chip, watcher = recipe or Recipe(), _target(target), progress or Silent()
    loaded = _load(model)
    prepared = _prepare(loaded, chip, wish, shapes)
    dataset = _open(data, prepared, wish, shapes)
    wanted = values_to_observe(prepared.model, chip, wish)
    tensors = observe(prepared.model, wanted, dataset, start=start, stop=stop, progress=watcher)
    return Statistics(loaded.hash, dataset.hash, _settings(chip, wish, shapes), tensors)


def prove(model: str | Path, float_model: ModelSource | None = None) -> Placement:
    """Which nodes of a model file run on integer kernels in onnxruntime; with the float model: which of its nodes do."""
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
    """How far an int8 model is from its float model on data, output by output; with labels also the task accuracy of both."""
    first, second = _load(float_model), _load(int8_model, quantized=True)
    dataset = open_dataset(data, input_specs(first.model), shapes=shapes)
    return compare_models(first.model, second.model, dataset, batch=batch, layers=layers, progress=progress)


def _load(model: ModelSource, *, quantized: bool = False) -> Loaded:
    if isinstance(model, Loaded):
        return model
    return load_model(model, quantized=quantized) if isinstance(model, str | Path) else load_proto(model, quantized=quantized)


def _prepare(loaded: Loaded, target: Target, recipe: Recipe, shapes: Shapes | None) -> Prepared:
    prepared = prepare(
        loaded.model, shapes=shapes or {}, opset=recipe.opset, min_opset=target.min_opset, max_opset=target.max_opset
    )
    lower(prepared.model, target)
    return prepared


def _target(target: str | Target) -> Target:
    return target if isinstance(target, Target) else load_target(target)


def _open(data: DataSource, prepared: Prepared, recipe: Recipe, shapes: Shapes | None) -> Dataset:
    return open_dataset(data, input_specs(prepared.model), samples=recipe.samples, shapes=shapes)


def _given(dataset: Dataset | None) -> Dataset:
    if dataset is None:
        raise BadData("There is no data to calibrate with.", "--data", "Give data, statistics (--stats) or a plan (--plan).")
    return dataset


def _settings(target: Target, recipe: Recipe, shapes: Shapes | None) -> str:
    return hashlib.sha256(settings_of(target, recipe, shapes or {}).encode()).hexdigest()


def _calibrate(
    loaded: Loaded,
    prepared: Prepared,
    dataset: Dataset,
    target: Target,
    recipe: Recipe,
    shapes: Shapes | None,
    clock: Clock,
    watcher: Progress,
) -> Statistics:
    with clock.stage("calibrate"):
        tensors = observe(prepared.model, values_to_observe(prepared.model, target, recipe), dataset, progress=watcher)
        return Statistics(loaded.hash, dataset.hash, _settings(target, recipe, shapes), tensors)


def _check_statistics(statistics: Statistics, loaded: Loaded, target: Target, recipe: Recipe, shapes: Shapes | None) -> None:
    if statistics.model != loaded.hash:
        raise BadStatistics("The statistics are of another model.", "--stats", "Calibrate this model with `edgeq calibrate`.")
    if statistics.settings != _settings(target, recipe, shapes):
        mend = "Calibrate again with the same target, float nodes and shapes."
        raise BadStatistics("The statistics were taken with other settings.", "--stats", mend)


def _check_plan(plan: Plan, loaded: Loaded, target: Target) -> Plan:
    if plan.model != loaded.hash:
        raise BadPlan("The plan was made for another model.", "--plan", "Use the plan that lies beside this model's int8 form.")
    if plan.target != target.name:
        raise BadPlan(f"The plan was made for target {plan.target!r}, not {target.name!r}.", "--plan", f"Add --target {plan.target}.")
    return plan


def _evidence(loaded: Loaded, result: ir.Model, dataset: Dataset | None, recipe: Recipe, watcher: Progress) -> Evidence:
    placement = prove_placement(result, loaded.model)
    if dataset is None:
        return Evidence(placement)
    comparison = compare_models(loaded.model, result, dataset, batch=recipe.batch, progress=watcher)
    return Evidence(placement, comparison, _latency(loaded, result, dataset, watcher))


def _latency(loaded: Loaded, result: ir.Model, dataset: Dataset, watcher: Progress) -> Latency:
    watcher.start("time", None)
    feeds = next(iter(dataset.batches(1, 0, dataset.fixed_batch or 1))).feeds
    return measure_latency(loaded.model, result, feeds)


def _gate(comparison: Comparison | None, recipe: Recipe) -> tuple[Gate, tuple[str, ...]]:
    if not any(floor is not None for floor in recipe.floors.model_dump().values()):
        return "none", ()
    if comparison is None:
        raise FloorMissed("The floors cannot be checked: nothing was compared.", "--min-...", "Give --data and leave --no-prove out.")
    missed = check_floors(comparison, recipe.floors)
    return ("failed" if missed else "passed"), missed
