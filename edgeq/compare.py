"""How far the int8 model is from the float model: both run on the same data, batch by batch, and only sums are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeq.errors import BadData, BadModel
from edgeq.fidelity import Agreement, ErrorSums, looks_like_scores
from edgeq.layer_fidelity import LayerFidelity, LayerProbe
from edgeq.progress import Progress, Silent
from edgeq.recipe import Floors
from edgeq.runtime import Array, Session, open_session

__all__ = ["Accuracy", "Comparison", "LayerFidelity", "OutputFidelity", "check_floors", "compare_models"]

#: top1: share of samples whose arg-max is the label. mse: mean squared difference of first output and first input (autoencoders).
Metric = Literal["top1", "mse"]
Number = float  # for classes that have a field named float


@dataclass(frozen=True)
class OutputFidelity:
    """One output over all samples. sqnr_db: 10 log10(sum f^2 / sum (f - q)^2), inf when equal. max_error: largest |f - q|.

    top1_agreement: share of rows with the same arg-max, 0..1; None when the output is not class scores [N, >= 2].
    """

    name: str
    sqnr_db: float
    cosine: float
    max_error: float
    top1_agreement: float | None


@dataclass(frozen=True)
class Accuracy:
    """Task metric of both models. top1: 0..1, higher is better; mse: lower is better."""

    metric: str
    float: Number
    int8: Number


@dataclass(frozen=True)
class Comparison:
    """outputs: in the float model's order. layers: worst first; empty unless asked for."""

    outputs: tuple[OutputFidelity, ...]
    samples: int
    accuracy: Accuracy | None
    layers: tuple[LayerFidelity, ...] = ()


class Feed(Protocol):
    """One batch of samples as the model takes it."""

    @property
    def samples(self) -> range: ...

    @property
    def feeds(self) -> Mapping[str, NDArray[np.generic]]: ...


class Samples(Protocol):
    """What comparing needs of a data set; edgeq.dataset.Dataset is one."""

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def labels(self) -> NDArray[np.integer] | None: ...

    @property
    def metric(self) -> str | None: ...

    def batches(self, batch: int) -> Iterator[Feed]: ...


def compare_models(
    float_model: ir.Model | Path,
    int8_model: ir.Model | Path,
    dataset: Samples,
    *,
    batch: int = 8,
    layers: bool = False,
    layer_names: Mapping[str, str] | None = None,
    metric: Metric | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Run both models over the data. layers: also compare inner values, with graph optimizations off; both must then be ir.Model.

    layer_names: float value name -> name of the same value, dequantized, in the int8 model (default: match_layers).
    metric: task metric; default: the data set's. Raises BadModel when the outputs differ, BadData when the labels do not fit.
    """
    watcher = progress or Silent()
    first, second = open_session(float_model, threads=threads), open_session(int8_model, threads=threads)
    if first.outputs != second.outputs:
        raise BadModel(
            "The two models have different outputs.", f"{first.outputs} against {second.outputs}", "Compare a model with its own int8 form."
        )
    probe = LayerProbe(_graph(float_model), _graph(int8_model), layer_names, threads) if layers else None
    pairs = [_Pair() for _ in first.outputs]
    task = _Task.of(dataset, metric)
    samples = 0
    watcher.start("compare", dataset.count)
    for piece in dataset.batches(batch):
        reference, other = _both(first, second, piece.feeds)
        for pair, f, q in zip(pairs, reference, other, strict=True):
            pair.add(f, q)
        if task is not None:
            task.add(piece, first.inputs[0].name, reference[0], other[0])
        if probe is not None:
            probe.add(piece.feeds)
        samples += len(piece.samples)
        watcher.advance(len(piece.samples))
    if samples == 0:
        raise BadData("There are no samples to compare on.", dataset.name, "Give at least one sample.")
    outputs = tuple(pair.fidelity(name) for name, pair in zip(first.outputs, pairs, strict=True))
    return Comparison(outputs, samples, None if task is None else task.accuracy(), () if probe is None else probe.layers())


def check_floors(comparison: Comparison, floors: Floors) -> tuple[str, ...]:
    """One line for each floor that the first output misses, or that could not be measured; empty when all hold."""
    output = comparison.outputs[0]
    accuracy = comparison.accuracy
    higher_is_better = accuracy is not None and accuracy.metric == "top1"
    checks = (
        ("SQNR", floors.min_sqnr, output.sqnr_db, " dB", f"output {output.name}"),
        ("top-1 agreement", floors.min_agreement, output.top1_agreement, "", f"output {output.name} is not class scores"),
        ("accuracy", floors.min_accuracy, accuracy.int8 if accuracy and higher_is_better else None, "", "the data has no labels"),
    )
    return tuple(line for name, floor, value, unit, why in checks if floor is not None and (line := _missed(name, floor, value, unit, why)))


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


def _both(first: Session, second: Session, feeds: Mapping[str, NDArray[np.generic]]) -> tuple[list[Array], list[Array]]:
    return first.run(feeds), second.run(feeds)


class _Pair:
    def __init__(self) -> None:
        self.sums, self.agreement = ErrorSums(), Agreement()

    def add(self, reference: Array, other: Array) -> None:
        if reference.shape != other.shape:
            where = f"{list(reference.shape)} against {list(other.shape)}"
            raise BadModel("The two models give outputs of different shapes.", where, "Compare a model with its own int8 form.")
        if reference.dtype.kind in "fiub":
            self.sums.add(reference, other)
            self.agreement.add(reference, other)

    def fidelity(self, name: str) -> OutputFidelity:
        return OutputFidelity(name, self.sums.sqnr_db, self.sums.cosine, self.sums.largest, self.agreement.share)


class _Task:
    """Running task metric of both models on the first output."""

    def __init__(self, metric: str, labels: NDArray[np.integer] | None, where: str) -> None:
        self.metric, self.labels, self.where = metric, labels, where
        self.total = np.zeros(2)
        self.count = 0

    @classmethod
    def of(cls, dataset: Samples, metric: Metric | None) -> _Task | None:
        chosen = metric or dataset.metric
        if chosen is None:
            return None
        if chosen not in ("top1", "mse"):
            raise BadData(f"There is no metric named {chosen!r}.", dataset.name, "Use top1 or mse.")
        if chosen == "top1" and dataset.labels is None:
            raise BadData("The metric top1 needs labels.", dataset.name, "Add labels to the data, or leave the metric out.")
        return cls(chosen, dataset.labels, dataset.name)

    def add(self, piece: Feed, first_input: str, reference: Array, other: Array) -> None:
        if self.metric == "mse":
            source = np.asarray(piece.feeds[first_input], np.float64)
            self._same(source.shape == reference.shape, "mse compares the first output with the first input, but their shapes differ.")
            self.total += [float(np.square(source - result).sum()) for result in (reference, other)]
            self.count += source.size
            return
        fits = looks_like_scores(reference) and len(reference) == len(piece.samples)
        self._same(fits, f"top1 needs one row of class scores a sample, but the first output is {list(reference.shape)}.")
        assert self.labels is not None  # _Task.of refused
        truth = self.labels[piece.samples.start : piece.samples.stop]
        self.total += [float((result.argmax(-1) == truth).sum()) for result in (reference, other)]
        self.count += len(truth)

    def _same(self, holds: bool, what: str) -> None:
        if not holds:
            raise BadData(what, self.where, "Choose another metric in the set.toml, or use data without labels.")

    def accuracy(self) -> Accuracy:
        reference, other = self.total / max(self.count, 1)
        return Accuracy(self.metric, float(reference), float(other))
