"""Tests of edgeq.metrics.boxes: average precision by hand, and the forms in which boxes come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from edgeq.errors import BadData
from edgeq.metrics.boxes import average_precision
from edgeq.metrics.metric import BUILT_IN
from edgeq.metrics.open import running_of
from edgeq.metrics.running import Judged
from edgeq.numerics.arrays import AnyArray


@dataclass(frozen=True)
class Piece:
    samples: range
    feeds: Mapping[str, AnyArray] = field(default_factory=dict)


def agreement(reference: list[AnyArray], other: list[AnyArray], samples: int = 1) -> tuple[float, float]:
    names = tuple(f"o{place}" for place in range(len(reference)))
    running = running_of(BUILT_IN["ap50"], Judged("rows", None, names, "x"))
    assert running.add(Piece(range(samples)), reference, other)
    return running.values()


BOXES = np.array([[[0, 0, 10, 10], [20, 20, 40, 40], [50, 0, 60, 30]]], np.float32)
SCORES = np.array([[0.9, 0.8, 0.1]], np.float32)


def test_average_precision_is_the_area_below_the_precision_made_monotone() -> None:
    # hit, miss, hit, of 3 to find: recall 1/3 at precision 1, recall 2/3 at precision 2/3
    scores, hits = np.array([0.5, 0.9, 0.7]), np.array([True, True, False])
    assert average_precision(scores, hits, 3) == pytest.approx((1 + 2 / 3) / 3)


def test_a_model_agrees_with_itself() -> None:
    assert agreement([BOXES, SCORES], [BOXES, SCORES]) == (1.0, 1.0)


def test_a_box_that_moved_far_is_lost_and_one_that_moved_little_is_not() -> None:
    near, far = BOXES.copy(), BOXES.copy()
    near[0, 0] += 1  # overlap 81 / 119
    far[0, 0] += 6
    assert agreement([BOXES, SCORES], [near, SCORES])[1] == 1.0
    assert agreement([BOXES, SCORES], [far, SCORES])[1] == pytest.approx(0.5 * 0.5)  # found second: precision 1/2 at recall 1/2


def test_scores_by_class_and_class_numbers_say_the_same() -> None:
    by_class = np.array([[[0.9, 0.0], [0.0, 0.8], [0.1, 0.0]]], np.float32)
    numbers = np.array([[0, 1, 0]], np.float32)
    moved = BOXES.copy()
    moved[0, 1] += 30
    wide = agreement([BOXES, by_class], [moved, by_class])
    assert wide == agreement([BOXES, numbers, SCORES], [moved, numbers, SCORES]) == (1.0, 0.5)
    rows = [np.concatenate([one[0], SCORES[0][:, None], numbers[0][:, None]], 1) for one in (BOXES, moved)]
    assert agreement([rows[0]], [rows[1]]) == wide


def test_the_same_box_of_another_class_is_another_box() -> None:
    first, second = (np.array([[one, 1, 0]], np.int64) for one in (0, 5))
    assert agreement([BOXES, first, SCORES], [BOXES, second, SCORES])[1] == 0.5


def test_outputs_that_are_no_boxes_are_refused_by_shape() -> None:
    with pytest.raises(BadData, match=r"o0 \[1, 7\]"):
        agreement([np.zeros((1, 7), np.float32)], [np.zeros((1, 7), np.float32)])
    with pytest.raises(BadData, match="corners"):
        agreement([BOXES[:, :, ::-1], SCORES], [BOXES, SCORES])
    with pytest.raises(BadData, match="finds no box"):
        agreement([BOXES, SCORES * 0.1], [BOXES, SCORES])


def test_boxes_of_several_samples_without_an_axis_of_samples_want_single_samples() -> None:
    running = running_of(BUILT_IN["ap50"], Judged("rows", None, ("boxes", "scores"), "x"))
    assert not running.add(Piece(range(2)), [BOXES[0], SCORES[0]], [BOXES[0], SCORES[0]])
