"""ap50: how far the int8 model finds the boxes that the float model finds.

The float model's boxes stand for the truth, so no labels are needed. Average precision at an
overlap of one half (Everingham et al., The PASCAL Visual Object Classes Challenge, 2010), by the
area below the precision made monotone; its mean over the classes that the float model finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadData
from edgeq.metrics.running import Judged, Piece
from edgeq.numerics.arrays import F64, I64, AnyArray, Mask

#: the least score of a box of the float model that counts as found: more likely than not
SURE = 0.5
#: boxes of one sample that are looked at, the best scores first, as COCO's evaluation does
MOST = 100
#: overlap (intersection over union) from which two boxes are the same
SAME = 0.5


@dataclass(frozen=True)
class Boxes:
    """The boxes of one sample, best score first."""

    #: corners x1 y1 x2 y2, or y1 x1 y2 x2: float64 [K, 4]
    corners: F64
    #: float64 [K]
    scores: F64
    #: int64 [K]
    classes: I64


class BoxAgreement:
    """Average precision of the int8 model's boxes against the float model's."""

    def __init__(self, judged: Judged) -> None:
        self._judged = judged
        #: which outputs are what, by what the float model gave first
        self._form: _Form | None = None
        #: for each class: how many boxes the float model found
        self._wanted: dict[int, int] = {}
        #: for each box of the int8 model: its class, its score, and whether it is one of those
        self._found: list[tuple[I64, F64, Mask]] = []

    def add(self, piece: Piece, reference: Sequence[AnyArray], other: Sequence[AnyArray]) -> bool:
        rows = len(piece.samples)
        form = self._form = self._form or _form_of(reference, self._judged)
        used = [arrays[place] for arrays in (reference, other) for place in (form.corners, form.scores)]
        if rows > 1 and (used[0].ndim < 3 or any(len(array) != rows for array in used)):
            return False
        for wanted, got in zip(_samples(form, reference, rows), _samples(form, other, rows), strict=True):
            self._add_sample(wanted, got)
        return True

    def _add_sample(self, wanted: Boxes, got: Boxes) -> None:
        sure = wanted.scores >= SURE
        truth = Boxes(wanted.corners[sure], wanted.scores[sure], wanted.classes[sure])
        if (truth.corners[:, 2:] < truth.corners[:, :2]).any():
            raise self._judged.refuse("ap50 needs boxes by their corners (x1, y1, x2, y2), and these are not.")
        for one in truth.classes.tolist():
            self._wanted[one] = self._wanted.get(one, 0) + 1
        self._found.append((got.classes, got.scores, _matched(truth, got)))

    def values(self) -> tuple[float, float]:
        if not self._wanted:
            what = f"The float model finds no box with a score of {SURE} or more, so there is nothing to agree with."
            raise BadData(what, self._judged.data, "Use data with objects that the model finds, or a metric of your own.")
        classes, scores, hits = (np.concatenate([one[place] for one in self._found]) for place in range(3))
        each = [average_precision(scores[classes == one], hits[classes == one], count) for one, count in sorted(self._wanted.items())]
        return 1.0, float(np.mean(each))  # the float model agrees with itself


def average_precision(scores: F64, hits: Mask, count: int) -> float:
    """Area below the precision, made monotone, over the recall; count: the boxes to find."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    precision = right / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits[order]].sum() / count)


def _matched(truth: Boxes, got: Boxes) -> Mask:
    """Which boxes are one of the true ones; each of these is found once, by the best score."""
    overlaps = _overlaps(got.corners, truth.corners) * (got.classes[:, None] == truth.classes[None, :])
    taken, hits = np.zeros(len(truth.scores), bool), np.zeros(len(got.scores), bool)
    for index, row in enumerate(overlaps):
        row = np.where(taken, 0.0, row)
        if row.size and row.max() >= SAME:
            hits[index] = taken[row.argmax()] = True
    return hits


def _overlaps(one: F64, other: F64) -> F64:
    """Intersection over union: [K, 4], [L, 4] -> [K, L]."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [np.clip(box[:, 2:] - box[:, :2], 0, None).prod(-1) for box in (one, other)]
    both = areas[0][:, None] + areas[1][None, :] - shared
    found: F64 = np.divide(shared, both, out=np.zeros_like(shared), where=both > 0)
    return found


@dataclass(frozen=True)
class _Form:
    """Which outputs are what; all three are one where its rows are x1 y1 x2 y2 score class."""

    #: place of the output that holds corners
    corners: int
    #: place of that which holds scores
    scores: int
    #: place of that which holds class numbers; None: the scores have one column for each class
    classes: int | None


def _form_of(arrays: Sequence[AnyArray], judged: Judged) -> _Form:
    """The roles of the outputs, by their shapes. Raises BadData for outputs that are no boxes."""
    rows = next((place for place, array in enumerate(arrays) if array.ndim in (2, 3) and array.shape[-1] == 6), None)
    if rows is not None:
        return _Form(rows, rows, rows)
    corners = next((place for place, array in enumerate(arrays) if array.ndim in (2, 3) and array.shape[-1] == 4), None)
    if corners is not None:
        shape = arrays[corners].shape[:-1]
        single = [place for place, array in enumerate(arrays) if place != corners and array.shape == shape]
        whole = [place for place in single if arrays[place].dtype.kind in "iu" or (arrays[place] == np.floor(arrays[place])).all()]
        scores = [place for place in single if place not in whole] or single
        if scores:
            return _Form(corners, scores[0], next((place for place in whole if place != scores[0]), None))
        others = [(place, array) for place, array in enumerate(arrays) if place != corners]
        many = [place for place, array in others if array.shape[:-1] == shape and array.ndim == len(shape) + 1]
        if many:
            return _Form(corners, many[0], None)
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in zip(judged.outputs, arrays, strict=True))
    raise judged.refuse(f"ap50 needs boxes [..., 4] with scores, or rows x1 y1 x2 y2 score class; the outputs are {shapes}.")


def _samples(form: _Form, arrays: Sequence[AnyArray], rows: int) -> Iterator[Boxes]:
    corners, scores = (np.asarray(arrays[place], np.float64) for place in (form.corners, form.scores))
    classes = None if form.classes is None else np.asarray(arrays[form.classes], np.float64)
    if form.corners == form.scores:
        corners, scores, classes = corners[..., :4], corners[..., 4], corners[..., 5]
    elif classes is None:
        wide = scores.ndim == corners.ndim
        classes = scores.argmax(-1).astype(np.float64) if wide else np.zeros(scores.shape)
        scores = scores.max(-1) if wide else scores
    if corners.ndim == 2:
        corners, scores, classes = corners[None], scores[None], classes[None]
    for row in range(rows):
        order = np.argsort(-scores[row], kind="stable")[:MOST]
        yield Boxes(corners[row][order], scores[row][order], classes[row][order].astype(np.int64))
