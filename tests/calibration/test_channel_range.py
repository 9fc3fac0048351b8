"""measure_channels: exact ends of every channel, of inputs and of inner values; what has no fixed
channels is left out.
"""

from __future__ import annotations

import numpy as np

from edgeq.calibration.channel_range import measure_channels
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.progress import Silent
from tests.graph_text import net


def test_exact_ends_joined_with_zero() -> None:
    model = net("h = Neg(x) y = Erf(h)", inputs="float[N, 3, 4] x")
    x = np.random.default_rng(0).normal(size=(12, 3, 4)).astype(np.float32)
    x[..., 1] += 9
    found = measure_channels(model, ["x", "h"], open_dataset({"x": x}, input_specs(model)), Silent())
    rows = x.reshape(-1, 4)
    np.testing.assert_array_equal(found["x"], [np.minimum(rows.min(0), 0), np.maximum(rows.max(0), 0)])
    np.testing.assert_array_equal(found["h"], [np.minimum((-rows).min(0), 0), np.maximum((-rows).max(0), 0)])
    assert found["x"][0][1] == 0


def test_channels_that_vary_in_number_are_left_out() -> None:
    model = net("y = Erf(x)", inputs="float[N, 1, S] x")
    samples = np.zeros((2, 1, 3), np.float32)
    rows = [{"x": samples[0]}, {"x": samples[1, :, :2]}]
    varied = measure_channels(model, ["x"], open_dataset({"x": samples}, input_specs(model)), Silent())
    assert set(varied) == {"x"}
    from edgeq.calibration.channel_range import _join

    assert _join((rows[0]["x"][0], rows[0]["x"][0]), rows[1]["x"][0], rows[1]["x"][0]) is None
