"""Measure how far the int8 model's outputs are from the float model's.

Both models run on the same data, batch by batch, and only sums are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.engines.current import current_engine
from edgeq.errors import BadData
from edgeq.integers.reading.runner import FileRunner
from edgeq.io.writing.card import Card, Facts
from edgeq.numerics.output_fidelity import OutputFidelity, Weakest, by_weakness, judged, weakest_of
from edgeq.progress import Progress, Silent
from edgeq.proof.layer_fidelity import LayerFidelity, LayerProbe
from edgeq.proof.runs.sides import Sides
from edgeq.proof.task_accuracy import Accuracy, Samples, accuracy_of, called, floored, task_of, unmeasured
from edgeq.runtimes.ort import Optimize
from edgeq.schema.recipe import Floors
from edgeq.schema.target import Target

__all__ = ["Accuracy", "CompareSettings", "Comparison", "LayerFidelity", "OutputFidelity", "Samples", "check_floors", "compare_models"]

#: percentage points by which the difference of two shares may be off in float64
ROUNDING = 1e-9


@dataclass(frozen=True, repr=False)
class Comparison(Card):
    """How far an int8 model is from its float model on data."""

    #: the outputs, in the float model's order
    outputs: tuple[OutputFidelity, ...]
    #: number of samples that both models ran on
    samples: int
    #: task metric of both models; None: the data has no labels and no other metric
    accuracy: Accuracy | None
    #: inner values, worst first; empty unless asked for
    layers: tuple[LayerFidelity, ...] = ()

    def facts(self) -> Facts:
        """What a line and a table show."""
        return Facts(f"{self.samples} samples", tuple((output.name, f"{output.sqnr_db:.1f} dB") for output in self.worst_first))

    @property
    def worst_first(self) -> tuple[OutputFidelity, ...]:
        """The outputs, the one with the weakest part first; those that are not judged come last."""
        outputs = judged(self.outputs)
        rest = [output for output in self.outputs if output not in outputs]
        return (*sorted(outputs, key=lambda output: by_weakness(weakest_of(output).sqnr_db)), *rest)

    @property
    def weakest(self) -> Weakest:
        """The output, or the part of one, that is farthest from float."""
        return weakest_of(self.worst_first[0])

    @property
    def top1_agreement(self) -> float | None:
        """The lowest share of equal arg-max of any output; None: no output is class scores."""
        return min((output.top1_agreement for output in self.outputs if output.top1_agreement is not None), default=None)

    @property
    def asked_agreement(self) -> float | None:
        """What a floor judges: who sets one says that rows are classes where nothing else does."""
        rows = [output.same_arg_max for output in self.outputs if output.same_arg_max is not None]
        return min(rows, default=None) if self.top1_agreement is None else self.top1_agreement


@dataclass(frozen=True)
class CompareSettings:
    """How two models are compared."""

    #: samples per run, where the data allows it; changes speed and memory, not the result
    batch: int = 8
    #: whether inner values are compared too, with graph optimizations off; both models must then be
    #: in memory
    layers: bool = False
    #: threads of each session; 0 leaves the number to onnxruntime
    threads: int = 0
    #: runs that go on at once, with so many threads each
    at_once: int = 1
    #: optimizations of the int8 model; "off" computes what the file says, for other runtimes and
    #: processors; None: as its record of its target asks for
    optimize: Optimize | None = None
    #: what progress calls the comparison
    title: str = "compare with float"

    @classmethod
    def on(cls, target: Target, batch: int) -> CompareSettings:
        """Settings with which the numbers are those of the target, on any number of cores."""
        return cls(batch=batch, threads=1, at_once=current_engine().threads, optimize="all" if target.runs_here else "off")


def compare_models(
    float_model: ir.Model | Path,
    int8_model: ir.Model | Path | FileRunner,
    dataset: Samples,
    settings: CompareSettings | None = None,
    *,
    known: KnownOutputs | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run both models over the data and compare their outputs.

    settings: default CompareSettings(). known: the float model with its outputs on this data from
    earlier comparisons. Raises BadModel when the outputs differ in name, number or shape, BadData
    when there are no samples or the labels do not fit, RuntimeRefused when one of them does not
    run, ValueError when layers are asked for and a model is a path.
    """
    settings, progress = settings or CompareSettings(), progress or Silent()
    sides = Sides(float_model, int8_model, dataset, settings.threads, settings.batch, settings.at_once, settings.optimize, known)
    probe = LayerProbe(_graph(float_model), _graph(int8_model), settings.threads) if settings.layers else None
    sums = sides.empty()
    task = task_of(dataset, sides.outputs, sides.first.inputs[0].name if sides.first.inputs else "")
    samples = 0
    progress.start(settings.title, dataset.count)
    for pair in sides.pairs(progress, feeds=probe is not None):
        for mine, its in zip(sums, pair.sums, strict=True):
            mine.merge(its)
        fits = task is None or pair.outputs is None or task.add(pair, *pair.outputs)
        if not (fits and pair.alike) and settings.batch > 1:
            # the shape depends on the numbers (NonMaxSuppression): only single samples may be alike
            return compare_models(float_model, int8_model, dataset, replace(settings, batch=1), known=known, progress=progress)
        if probe is not None:
            probe.add(pair.feeds)
        samples += len(pair.samples)
    if samples == 0:
        raise BadData("There are no samples to compare on.", dataset.name, "Give at least one sample.")
    outputs = tuple(one.fidelity() for one in sums)
    return Comparison(outputs, samples, accuracy_of(dataset.metric, task), () if probe is None else probe.layers())


def check_floors(comparison: Comparison, floors: Floors) -> tuple[str, ...]:
    """One line for each floor that the weakest output misses, or that could not be measured.

    The result is empty when all floors hold.
    """
    weakest, accuracy = comparison.weakest, comparison.accuracy
    sqnr = "SQNR" if len(comparison.outputs) == 1 and weakest.part is None else f"SQNR of {weakest.label}"
    checks = (
        (sqnr, floors.min_sqnr, weakest.sqnr_db, " dB", f"output {weakest.label}"),
        ("top-1 agreement", floors.min_agreement, comparison.asked_agreement, "", "no output is class scores"),
        (called(accuracy), floors.min_accuracy, floored(accuracy), "", unmeasured(accuracy)),
    )
    missed = tuple(
        line for name, floor, value, unit, why in checks if floor is not None and (line := _missed(name, floor, value, unit, why))
    )
    lost = () if floors.min_sqnr is None else tuple(_lost(output) for output in judged(comparison.outputs) if output.nonfinite)
    drop = None if floors.max_drop is None else _dropped(accuracy, floors.max_drop)
    return (*missed, *lost) if drop is None else (*missed, *lost, drop)


def _lost(output: OutputFidelity) -> str:
    return f"output {output.name} has {output.nonfinite} elements that are NaN or infinite in one of the two models: no SQNR holds for them"


def _dropped(accuracy: Accuracy | None, most: float) -> str | None:
    """The line for a metric that is worse than the float model's by more than `most` points.

    Points are hundredths of the metric. There is also a line when the drop is unknown; None: the
    limit holds.
    """
    if accuracy is None:
        return f"the accuracy drop could not be measured (the data has no labels); the limit is {most:g} points"
    drop = accuracy.drop
    if drop <= most + ROUNDING:
        return None  # a NaN must not pass a gate
    return f"{called(accuracy)} drop {drop:.3g} points is above the limit of {most:g}"


def _missed(name: str, floor: float, value: float | None, unit: str, why: str) -> str | None:
    if value is None:
        return f"{name} could not be measured ({why}); the floor is {floor:g}{unit}"
    if math.isnan(value) or value < floor:  # a NaN must not pass a gate
        return f"{name} {value:.4g}{unit} is below the floor of {floor:g}{unit}"
    return None


def _graph(model: ir.Model | Path | FileRunner) -> ir.Model:
    if not isinstance(model, ir.Model):
        raise ValueError("layers need models in memory: load them first")
    return model
