"""Tests of histograms: no count is lost, and the share that is clipped is that of the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.calibration.observer import Observer
from edgeq.numerics.grid import PerChannel, QuantParams, grid_for_range
from edgeq.report.detail.histograms import BINS, COUNTED, of_activation, of_weight


def seen(array: np.ndarray) -> Observer:
    observer = Observer()
    observer.update(array.astype(np.float32), [0])
    return observer


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e4])
def test_an_activation_keeps_its_counts_in_few_bins(spread: float) -> None:
    values = np.random.default_rng(0).normal(size=5000) * spread
    found = of_activation(seen(values).stats(), grid_for_range(-spread, spread, "uint8"))
    assert found is not None
    assert sum(found.counts) == 5000
    assert BINS / 2 <= len(found.counts) <= BINS + 1
    assert found.low <= values.min() and values.max() <= found.high
    assert found.clipped == pytest.approx(np.mean(np.abs(values) > spread), abs=0.005)


def test_a_value_that_was_never_seen_has_none() -> None:
    assert of_activation(Observer().stats(), grid_for_range(0, 1, "uint8")) is None


def test_a_weight_is_clipped_channel_by_channel() -> None:
    weight = np.float32([[1.0, -1.0, 0.5, 0.25], [10.0, 0.1, 0.1, 0.1]])
    grid = QuantParams("int8", np.float32([1 / 127, 1 / 127]), np.int32([0, 0]), PerChannel(0))
    found = of_weight(weight, grid)
    assert found is not None
    assert found.clipped == 1 / 8  # the 10 of the second channel alone
    assert sum(found.counts) == 8


def test_the_channel_axis_may_be_the_last() -> None:
    weight = np.float32([[1.0, 10.0], [0.5, 5.0], [2.0, 20.0]])
    grid = QuantParams("int8", np.float32([1 / 127, 20 / 127]), np.int32([0, 0]), PerChannel(1))
    found = of_weight(weight, grid)
    assert found is not None and found.clipped == pytest.approx(1 / 6)


def test_a_very_large_weight_is_counted_in_part() -> None:
    found = of_weight(np.ones(3 * COUNTED, np.float32), grid_for_range(-1, 1, "int8"))
    assert found is not None
    assert (found.every, sum(found.counts)) == (3, COUNTED)


def test_what_holds_no_number_has_none() -> None:
    assert of_weight(np.float32([np.nan, np.inf]), grid_for_range(-1, 1, "int8")) is None
