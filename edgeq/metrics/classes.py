"""Metrics of class scores [N, C] against labels: among the k best, and the F1 score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.metrics.running import Judged, Piece
from edgeq.numerics.arrays import I64, AnyArray, Mask
from edgeq.numerics.fidelity import looks_like_scores


class AmongBest:
    """Share of samples whose label is among the `best` classes with the highest scores.

    Of equal scores the class with the lower number comes first, as arg-max has it: codes are often
    equal, and counting for the label would flatter the integer model.
    """

    def __init__(self, name: str, best: int, judged: Judged) -> None:
        self._name, self._best, self._judged = name, best, judged
        self._total, self._count = np.zeros(2), 0

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        labels = checked(self._name, self._judged, piece, reference[0])
        self._total += [float(among_best(result, labels, self._best).sum()) for result in (reference[0], other[0])]
        self._count += len(labels)
        return True

    def values(self) -> tuple[float, float]:
        reference, other = self._total / max(self._count, 1)
        return float(reference), float(other)


def among_best(scores: AnyArray, labels: I64, best: int) -> Mask:
    """Whether each label is among the classes with the highest scores.

    scores: [N, C]; labels: int64 [N]. Labels that name no class are not.
    """
    count = scores.shape[1]
    known = (labels >= 0) & (labels < count)
    own = np.take_along_axis(scores, np.where(known, labels, 0)[:, None], 1)
    before = (scores > own) | ((scores == own) & (np.arange(count) < labels[:, None])) | np.isnan(scores)
    found: Mask = known & ~np.isnan(own[:, 0]) & (before.sum(1) < best)
    return found


class F1Score:
    """Mean over the classes of 2 tp / (2 tp + fp + fn); classes that never appear are left out.

    A class appears where a label names it or the model does: scikit-learn's f1_score with
    average="macro".
    """

    def __init__(self, judged: Judged) -> None:
        self._judged = judged
        #: hits, labels and answers by class, for each of the two models: float64 [2, 3, C]
        self._sums = np.zeros((2, 3, 0))

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        labels = checked("f1", self._judged, piece, reference[0])
        count = max(reference[0].shape[1], other[0].shape[1], self._sums.shape[2])
        if count > self._sums.shape[2]:
            self._sums = np.pad(self._sums, ((0, 0), (0, 0), (0, count - self._sums.shape[2])))
        named = labels[(labels >= 0) & (labels < count)]
        for sums, scores in zip(self._sums, (reference[0], other[0]), strict=True):
            answers = scores.argmax(-1)
            for total, classes in zip(sums, (answers[answers == labels], named, answers), strict=True):
                total += np.bincount(classes, minlength=count)
        return True

    def values(self) -> tuple[float, float]:
        return _f1(self._sums[0]), _f1(self._sums[1])


def _f1(sums: AnyArray) -> float:
    hits, labels, answers = sums
    seen = labels + answers > 0
    return float(np.mean(2 * hits[seen] / (labels + answers)[seen])) if seen.any() else 0.0


def checked(name: str, judged: Judged, piece: Piece, scores: AnyArray) -> I64:
    """The labels of a batch, whose first output is class scores. Raises BadData where it is not."""
    if not (looks_like_scores(scores) and len(scores) == len(piece.samples)):
        raise judged.refuse(f"{name} needs one row of class scores per sample, but the first output is {list(scores.shape)}.")
    labels = judged.labels_of(piece.samples)
    assert labels is not None  # running_of refuses these metrics without labels
    return labels
