"""Which weights go: a share of the whole, or all but N of every M."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.pruning import Prune, kept_weights, parse_prune

ROWS = np.array([[[3.0, -1.0, 0.5, 2.0, -4.0], [0.1, 6.0, -0.2, 0.3, 5.0]]], np.float32)


@pytest.mark.parametrize(("ratio", "gone"), [(0.5, 5), (0.24, 2), (0.26, 3), (0.04, 0), (0.06, 1)])
def test_a_share_is_rounded_to_the_nearest_number_of_weights(ratio: float, gone: int) -> None:
    kept = kept_weights(ROWS, None, Prune(ratio))
    assert int((~kept).sum()) == gone
    assert np.abs(ROWS[kept]).min() >= np.abs(ROWS[~kept]).max(initial=0.0)


def test_what_adds_least_to_the_output_goes_first() -> None:
    """-4 on an input that is nearly always 0 adds less than 0.1 on a loud one."""
    kept = kept_weights(ROWS, np.array([[100.0, 1.0, 1.0, 1.0, 1e-6]]), Prune(0.2))
    assert np.argwhere(~kept).tolist() == [[0, 0, 4], [0, 1, 4]]


def test_of_equal_weights_the_earlier_goes() -> None:
    assert kept_weights(np.ones((1, 2, 40), np.float32), None, Prune(0.5)).tolist() == [[[False] * 40, [True] * 40]]


def test_a_pattern_keeps_so_many_of_each_run_and_the_rest_of_a_row() -> None:
    kept = kept_weights(ROWS, None, Prune(pattern=(2, 4)))
    assert kept.tolist() == [[[True, False, False, True, True], [False, True, False, True, True]]]


def test_words_are_shares_or_patterns() -> None:
    assert (parse_prune("0.5"), parse_prune(" 2:4 ")) == (Prune(0.5), Prune(pattern=(2, 4)))
