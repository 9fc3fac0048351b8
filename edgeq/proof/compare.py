"""Measure how far the int8 model's outputs are from the float model's.

Both models run on the same data, batch by batch, and only sums are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.errors import BadData, BadModel
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress, Silent
from edgeq.proof.fidelity import Agreement, ErrorSums
from edgeq.proof.known_outputs import KnownOutputs
from edgeq.proof.layer_fidelity import LayerFidelity, LayerProbe
from edgeq.proof.task_accuracy import Accuracy, Samples, TaskSums
from edgeq.runtimes.ort import Optimize, open_session
from edgeq.schema.recipe import Floors

__all__ = ["Accuracy", "CompareSettings", "Comparison", "LayerFidelity", "OutputFidelity", "Samples", "check_floors", "compare_models"]

#: percentage points by which the difference of two shares may be off in float64
ROUNDING = 1e-9


@dataclass(frozen=True)
class OutputFidelity:
    """How far one output q of the int8 model is from the float model's f, over all samples."""

    #: name of the output
    name: str
    #: 10 log10(sum f^2 / sum (f - q)^2) in dB; inf when equal
    sqnr_db: float
    #: sum f q / (|f| |q|)
    cosine: float
    #: largest |f - q|
    max_error: float
    #: share of rows with the same arg-max, 0..1; None when the output is not class scores [N, >= 2]
    top1_agreement: float | None


@dataclass(frozen=True)
class Comparison:
    """How far an int8 model is from its float model on data."""

    #: the outputs, in the float model's order
    outputs: tuple[OutputFidelity, ...]
    #: number of samples that both models ran on
    samples: int
    #: task metric of both models; None: the data has no labels and no other metric
    accuracy: Accuracy | None
    #: inner values, worst first; empty unless asked for
    layers: tuple[LayerFidelity, ...] = ()


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
    #: optimizations of the int8 model; "off" computes what the file says, for other runtimes
    optimize: Optimize = "all"
    #: what progress calls the comparison
    title: str = "compare with float"


def compare_models(
    float_model: ir.Model | Path,
    int8_model: ir.Model | Path,
    dataset: Samples,
    settings: CompareSettings | None = None,
    *,
    known: KnownOutputs | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run both models over the data and compare their outputs.

    settings: default CompareSettings(). known: outputs of the float model on this data from earlier
    comparisons. Raises BadModel when the outputs differ in name, number or shape, BadData when
    there are no samples or the labels do not fit, ValueError when layers are asked for and a model
    is a path.
    """
    settings, progress = settings or CompareSettings(), progress or Silent()
    threads = settings.threads
    first = open_session(float_model, threads=threads)
    second = open_session(int8_model, threads=threads, optimize=settings.optimize)
    if first.outputs != second.outputs:
        raise BadModel(
            "The two models have different outputs.", f"{first.outputs} against {second.outputs}", "Compare a model with its own int8 form."
        )
    probe = LayerProbe(_graph(float_model), _graph(int8_model), threads) if settings.layers else None
    pairs = [_Pair() for _ in first.outputs]
    task = TaskSums.of(dataset)
    samples = 0
    progress.start(settings.title, dataset.count)
    for piece in dataset.batches(settings.batch):
        reference = first.run(piece.feeds) if known is None else known.of(first, piece)
        other = second.run(piece.feeds)
        for pair, f, q in zip(pairs, reference, other, strict=True):
            pair.add(f, q)
        if task is not None:
            task.add(piece, first.inputs[0].name, reference[0], other[0])
        if probe is not None:
            probe.add(piece.feeds)
        samples += len(piece.samples)
        progress.advance(len(piece.samples))
    if samples == 0:
        raise BadData("There are no samples to compare on.", dataset.name, "Give at least one sample.")
    outputs = tuple(pair.fidelity(name) for name, pair in zip(first.outputs, pairs, strict=True))
    return Comparison(outputs, samples, None if task is None else task.accuracy(), () if probe is None else probe.layers())


def check_floors(comparison: Comparison, floors: Floors) -> tuple[str, ...]:
    """One line for each floor that the first output misses, or that could not be measured.

    The result is empty when all floors hold.
    """
    output = comparison.outputs[0]
    accuracy = comparison.accuracy
    higher_is_better = accuracy is not None and accuracy.metric == "top1"
    checks = (
        ("SQNR", floors.min_sqnr, output.sqnr_db, " dB", f"output {output.name}"),
        ("top-1 agreement", floors.min_agreement, output.top1_agreement, "", f"output {output.name} is not class scores"),
        ("accuracy", floors.min_accuracy, accuracy.int8 if accuracy and higher_is_better else None, "", "the data has no labels"),
    )
    missed = tuple(
        line for name, floor, value, unit, why in checks if floor is not None and (line := _missed(name, floor, value, unit, why))
    )
    drop = None if floors.max_drop is None else _dropped(accuracy if higher_is_better else None, floors.max_drop)
    return missed if drop is None else (*missed, drop)


def _dropped(accuracy: Accuracy | None, most: float) -> str | None:
    """The line for a top-1 more than `most` percentage points below the float model's.

    There is also a line when the drop is unknown; None: the limit holds.
    """
    if accuracy is None:
        return f"the accuracy drop could not be measured (the data has no labels); the limit is {most:g} points"
    drop = 100 * (accuracy.float - accuracy.int8)
    return f"accuracy drop {drop:.3g} points is above the limit of {most:g}" if drop > most + ROUNDING else None


def _missed(name: str, floor: float, value: float | None, unit: str, why: str) -> str | None:
    if value is None:
        return f"{name} could not be measured ({why}); the floor is {floor:g}{unit}"
    if math.isnan(value) or value < floor:  # a NaN must not pass a gate
        return f"{name} {value:.4g}{unit} is below the floor of {floor:g}{unit}"
    return None


def _graph(model: ir.Model | Path) -> ir.Model:
    if isinstance(model, Path):
        raise ValueError("layers need models in memory: load them first")
    return model


class _Pair:
    def __init__(self) -> None:
        self.sums, self.agreement = ErrorSums(), Agreement()

    def add(self, reference: AnyArray, other: AnyArray) -> None:
        if reference.shape != other.shape:
            where = f"{list(reference.shape)} against {list(other.shape)}"
            raise BadModel("The two models give outputs of different shapes.", where, "Compare a model with its own int8 form.")
        if reference.dtype.kind in "fiub":
            self.sums.add(reference, other)
            self.agreement.add(reference, other)

    def fidelity(self, name: str) -> OutputFidelity:
        return OutputFidelity(name, self.sums.sqnr_db, self.sums.cosine, self.sums.largest, self.agreement.share)
