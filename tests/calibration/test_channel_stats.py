"""channel_stats: exact ends and mean squares of every channel, of inputs and of inner values; what
has no fixed channels is left out.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.calibration.channel_stats import channel_stats
from edgeq.data.open import open_dataset
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.graph.signature import input_specs
from tests.graph_text import net

X = np.random.default_rng(0).normal(size=(12, 3, 4)).astype(np.float32)
MODEL = net("h = Neg(x) y = Erf(h)", inputs="float[N, 3, 4] x")


def test_exact_ends_joined_with_zero() -> None:
    x = X.copy()
    x[..., 1] += 9
    found = channel_stats(MODEL, {"x": -1, "h": -1}, open_dataset({"x": x}, input_specs(MODEL)), squares=False).ends
    rows = x.reshape(-1, 4)
    np.testing.assert_array_equal(found["x"], [np.minimum(rows.min(0), 0), np.maximum(rows.max(0), 0)])
    np.testing.assert_array_equal(found["h"], [np.minimum((-rows).min(0), 0), np.maximum((-rows).max(0), 0)])
    assert found["x"][0][1] == 0


@pytest.mark.parametrize("axis", [1, 2])
def test_peaks_and_mean_squares_along_any_axis(axis: int) -> None:
    found = channel_stats(MODEL, {"h": axis}, open_dataset({"x": X}, input_specs(MODEL)))
    others = tuple({0, 1, 2} - {axis})
    np.testing.assert_array_equal(found.peaks["h"], np.abs(X).max(others))
    np.testing.assert_allclose(found.squares["h"], np.square(X, dtype=np.float64).mean(others), rtol=1e-12)


def test_squares_are_left_out_where_nobody_asks() -> None:
    assert channel_stats(MODEL, {"h": 1}, open_dataset({"x": X}, input_specs(MODEL)), squares=False).squares == {}


def test_the_number_of_workers_changes_nothing() -> None:
    found = []
    for workers in (1, 4):
        with using(Local(workers)):
            stats = channel_stats(MODEL, {"h": 1, "x": 2}, open_dataset({"x": X}, input_specs(MODEL)))
        found.append([stats.squares["h"].tobytes(), stats.squares["x"].tobytes(), stats.peaks["x"].tobytes()])
    assert found[0] == found[1]


def test_channels_that_vary_in_number_are_left_out() -> None:
    model = net(
        "c = Greater(x, zero) d = Squeeze(c) h = Compress<axis = 1>(x, d) y = Exp(h)", inputs="float[1, 3] x", constants={"zero": 0.0}
    )
    x = np.array([[1, -1, 2], [3, 4, 5]], np.float32)
    found = channel_stats(model, {"x": -1, "h": -1}, open_dataset({"x": x}, input_specs(model))).ends
    assert set(found) == {"x"}
    steady = channel_stats(model, {"h": -1}, open_dataset({"x": x[[1, 1]]}, input_specs(model))).ends
    np.testing.assert_array_equal(steady["h"], [[0, 0, 0], [3, 4, 5]])


@pytest.mark.parametrize("strange", [-1, 0])
def test_values_with_nan_or_infinities_are_left_out(strange: float) -> None:
    """log(-1) and log(0)."""
    model = net("h = Log(x) y = Erf(x)", inputs="float[N, 3, 4] x", outputs="float h, float y")
    x = np.abs(X)
    x[5, 1, 2] = strange
    found = channel_stats(model, {"h": 1, "y": 1}, open_dataset({"x": x}, input_specs(model)))
    assert set(found.ends) == set(found.squares) == {"y"}
