"""Tests of edgeq.metrics.classes: the shares and the F1 score against slow and plain references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from edgeq.errors import BadData
from edgeq.metrics.classes import among_best
from edgeq.metrics.metric import BUILT_IN
from edgeq.metrics.open import running_of
from edgeq.metrics.running import Judged
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class Piece:
    samples: range
    feeds: Mapping[str, AnyArray] = field(default_factory=dict)


def measured(name: str, labels: AnyArray, reference: AnyArray, other: AnyArray, batch: int) -> tuple[float, float]:
    """The metric of two models, in batches."""
    running = running_of(BUILT_IN[name], Judged("rows", labels, ("y",), "x"))
    for start in range(0, len(labels), batch):
        piece = Piece(range(start, min(start + batch, len(labels))))
        assert running.add(piece, [reference[start : start + batch]], [other[start : start + batch]])
    return running.values()


def rows(seed: int, count: int = 40, classes: int = 7) -> AnyArray:
    return np.random.default_rng(seed).integers(0, 4, (count, classes)).astype(np.float32)  # many are equal


def plain_f1(scores: AnyArray, labels: AnyArray) -> float:
    """Each class by itself, by counting."""
    answers, found = scores.argmax(1), []
    for one in sorted({*labels.tolist(), *answers.tolist()}):
        hits = sum(1 for a, b in zip(answers, labels, strict=True) if a == b == one)
        wrong = sum(1 for a in answers if a == one) - hits
        missed = sum(1 for b in labels if b == one) - hits
        found.append(2 * hits / (2 * hits + wrong + missed))
    return float(np.mean(found))


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_f1_is_the_mean_over_the_classes_at_any_batch_size(batch: int) -> None:
    labels = np.random.default_rng(2).integers(0, 5, 40)
    reference, other = rows(0), rows(1)
    assert measured("f1", labels, reference, other, batch) == pytest.approx((plain_f1(reference, labels), plain_f1(other, labels)))


def test_top1_is_arg_max_where_scores_are_equal() -> None:
    scores, labels = rows(3), np.random.default_rng(4).integers(0, 7, 40)
    assert measured("top1", labels, scores, scores, 8)[0] == np.mean(scores.argmax(1) == labels)


def test_top5_takes_the_lower_class_first_where_scores_are_equal() -> None:
    scores, labels = rows(5), np.random.default_rng(6).integers(0, 7, 40)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    expected = np.mean([label in row for label, row in zip(labels, order, strict=True)])
    assert measured("top5", labels, scores, scores, 8)[1] == expected


def test_a_label_that_names_no_class_and_a_nan_are_never_right() -> None:
    scores = np.array([[0.1, 0.9], [0.9, 0.1], [np.nan, 0.5]], np.float32)
    assert among_best(scores, np.array([-1, 2, 1]), 1).tolist() == [False, False, False]


def test_scores_that_are_no_rows_of_classes_are_refused() -> None:
    running = running_of(BUILT_IN["f1"], Judged("rows", np.zeros(2, np.int64), ("y",), "x"))
    with pytest.raises(BadData, match="f1 needs one row of class scores"):
        running.add(Piece(range(2)), [np.zeros((2, 3, 4), np.float32)], [np.zeros((2, 3, 4), np.float32)])
    with pytest.raises(BadData, match="top5 needs labels"):
        running_of(BUILT_IN["top5"], Judged("rows", None, ("y",), "x"))
