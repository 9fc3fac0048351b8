"""The fit of figures: exact where it can be, never negative, not bent by one wrong time."""

from __future__ import annotations

import numpy as np

from edgeq.tuning.fit import fit

RANDOM = np.random.default_rng(0)
COUNTS = RANDOM.uniform(1, 100, size=(12, 3))


def test_figures_that_explain_all_times_are_found() -> None:
    figures = np.array([200.0, 3.0, 0.0])
    assert np.allclose(fit(COUNTS, COUNTS @ figures), figures, rtol=1e-3, atol=1e-2)


def test_no_figure_is_negative() -> None:
    assert (fit(COUNTS, COUNTS @ np.array([300.0, -2.0, 5.0])) >= 0).all()


def test_one_disturbed_time_does_not_bend_the_others() -> None:
    figures = np.array([200.0, 30.0, 10.0])
    times = COUNTS @ figures
    times[4] *= 5
    left = np.arange(12) != 4
    assert np.abs((COUNTS @ fit(COUNTS, times) / times - 1)[left]).max() < 0.05


def test_what_no_measurement_has_is_zero() -> None:
    found = fit(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1000.0, 2000.0]))
    assert np.isclose(found[0], 1000.0) and found[1] == 0.0
