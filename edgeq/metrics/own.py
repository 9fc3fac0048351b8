"""A metric of the user's own: its function is given what both models gave, in constant memory."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import BadMetric, EdgeqError
from edgeq.metrics.kept import Kept
from edgeq.metrics.metric import Metric
from edgeq.metrics.running import Judged, Piece
from edgeq.numerics.arrays import AnyArray

#: what one output gave: an array with the samples along axis 0, or an array a run
One = AnyArray | list[AnyArray]
#: what a function is given
Given = One | dict[str, One]
#: element types that can be kept on disk: everything but objects and texts
_KINDS = "biufcV"


class OverSet:
    """The function is called once for each model, with what it gave for all samples."""

    def __init__(self, metric: Metric, judged: Judged) -> None:
        self._metric, self._judged = metric, judged
        self._kept = tuple({name: Kept() for name in judged.outputs} for _ in range(2))
        self._samples: list[range] = []

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        if len(piece.samples) > 1 and not all(_in_rows(array, piece) for array in (*reference, *other)):
            return False
        for kept, arrays in zip(self._kept, (reference, other), strict=True):
            for name, array in zip(self._judged.outputs, arrays, strict=True):
                _check_kind(self._metric, name, array)
                kept[name].append(array, len(piece.samples))
        self._samples.append(piece.samples)
        return True

    def values(self) -> tuple[float, float]:
        labels = self._labels()
        first, second = (called(self._metric, _given(kept_of, [one.whole() for one in kept_of.values()]), labels) for kept_of in self._kept)
        return first, second

    def _labels(self) -> AnyArray | None:
        if self._judged.labels is None:
            return None
        parts = [self._judged.labels[samples.start : samples.stop] for samples in self._samples]
        return np.concatenate(parts) if parts else self._judged.labels[:0]


class OverSamples:
    """The function is called with one sample after the other, and its mean is the metric."""

    def __init__(self, metric: Metric, judged: Judged) -> None:
        self._metric, self._judged = metric, judged
        self._total, self._count = np.zeros(2), 0

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        if len(piece.samples) > 1 and not all(_in_rows(array, piece) for array in (*reference, *other)):
            return False
        labels = self._judged.labels_of(piece.samples)
        for index in range(len(piece.samples)):
            own = slice(index, index + 1) if len(piece.samples) > 1 else slice(None)
            label = None if labels is None else labels[own]
            for model, arrays in enumerate((reference, other)):
                self._total[model] += called(self._metric, _given(self._judged.outputs, [array[own] for array in arrays]), label)
            self._count += 1
        return True

    def values(self) -> tuple[float, float]:
        reference, other = self._total / max(self._count, 1)
        return float(reference), float(other)


def called(metric: Metric, outputs: Given, labels: AnyArray | None) -> float:
    """The metric of these outputs. Raises BadMetric where its function fails or gives no number."""
    assert metric.function is not None
    try:
        value = metric.function(outputs, labels)
    except EdgeqError:
        raise
    except Exception as problem:
        what = f"The metric failed: {type(problem).__name__}: {problem}"
        raise BadMetric(what, _where(metric, problem), _fix(outputs, labels)) from problem
    try:
        return float(value)
    except Exception:
        what = f"The metric gives {type(value).__name__} and no number."
        raise BadMetric(what, f"metric {metric.name}", "Return one float for all samples.") from None


def _where(metric: Metric, problem: BaseException) -> str:
    """The line of the user's function that failed, or else the metric."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = "" if len(frames) < 2 else f", {frames[1].filename}:{frames[1].lineno}"
    return f"metric {metric.name}{place}"


def _fix(outputs: Given, labels: AnyArray | None) -> str:
    told = "no labels" if labels is None else f"labels {list(labels.shape)}"
    return f"Correct it: it was called with {_told(outputs)} and {told}."


def _told(outputs: Given) -> str:
    if isinstance(outputs, dict):
        return f"a dict of {', '.join(f'{name}: {_told(one)}' for name, one in outputs.items())}"
    return f"a list of {len(outputs)} arrays" if isinstance(outputs, list) else f"outputs {list(outputs.shape)}"


def _in_rows(array: AnyArray, piece: Piece) -> bool:
    return array.ndim > 0 and len(array) == len(piece.samples)


def _given(names: Iterable[str], found: Sequence[One]) -> Given:
    """The output of a model with one, or all of them by name."""
    return found[0] if len(found) == 1 else dict(zip(names, found, strict=True))


def _check_kind(metric: Metric, name: str, array: AnyArray) -> None:
    if array.dtype.kind not in _KINDS:
        what = f"Output {name} holds {array.dtype}, which a metric of one's own is not given."
        raise BadMetric(what, f"metric {metric.name}", "Leave that output out of the model, or use Metric(..., each_sample=True).")
