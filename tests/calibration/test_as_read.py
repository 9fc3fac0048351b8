"""What a Softmax sees of its input: masks leave no trace in statistics, probabilities stay."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.calibration.as_read import APART, TOLERATED, as_softmax_reads
from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32, F64
from tests.graph_text import net

LEAST = float(np.finfo(np.float32).min)


def softmax(x: F32, axis: int) -> F64:
    with np.errstate(over="ignore"):
        powers = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


@pytest.mark.parametrize("mask", [-30.0, -1e4, -1e9, LEAST, -np.inf])
@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("size", [4, 64, 1024])
def test_probabilities_stay_whatever_the_mask(mask: float, axis: int, size: int) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, 3, size) if axis == -1 else (2, size, 3)) * 4).astype(np.float32)
    x[rng.random(x.shape) < 0.5] += np.float32(mask)
    seen = as_softmax_reads(x, axis)
    assert np.abs(softmax(seen, axis) - softmax(x, axis)).max() <= TOLERATED
    assert (seen.max() - seen.min()) < 60


def test_a_row_that_is_masked_as_a_whole_does_not_decide() -> None:
    x = np.zeros((1, 4, 8), np.float32)
    x[0, 3] = -1e9
    x[0, 0, 0] = -1e9
    assert as_softmax_reads(x, -1).min() == as_softmax_reads(x[:, :3], -1).min() == np.float32(-np.log(8 / TOLERATED))
    apart = np.array([[[0.0, 1.0]], [[-2 * APART, -2 * APART]]], np.float32)
    assert as_softmax_reads(apart, -1, rows_apart=True).min() == -2 * APART  # another sample, with other scores


def test_nan_is_not_hidden() -> None:
    assert np.isnan(as_softmax_reads(np.array([[0.0, np.nan]], np.float32), -1)).any()
    assert not np.isfinite(as_softmax_reads(np.full((1, 2), -np.inf, np.float32), -1)).any()


def test_masked_statistics_are_small_and_merge_bit_for_bit() -> None:
    """Also for a batch of fixed size, where samples share a run."""
    for batch in ("N", "3"):
        model = net("s = Add(x, m) y = Softmax(s)", inputs=f"float[{batch}, 5] x, float[{batch}, 5] m")
        rng = np.random.default_rng(1)
        x = rng.normal(size=(12, 5)).astype(np.float32) * np.arange(1, 13, dtype=np.float32)[:, None]
        m = np.where(rng.random((12, 5)) < 0.4, np.float32(LEAST), np.float32(0))
        m[:, 0] = 0
        data = open_dataset({"x": x, "m": m}, input_specs(model))
        whole = observe(model, ["s", "m"], data)
        first, second = (observe(model, ["s", "m"], data, start=start, stop=stop) for start, stop in ((0, 6), (6, 12)))
        assert {name: second[name].merge(first[name]) for name in whole} == whole
        assert whole["s"].nonfinite == whole["m"].nonfinite == 0
        assert -60 < whole["s"].low < whole["s"].high == pytest.approx(float((x + m).max()))
        assert whole["m"].low > -1e29
