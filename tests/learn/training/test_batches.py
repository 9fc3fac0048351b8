"""The batches of training: every sample once an epoch but for those held out, mixed by seed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.data.dataset import Dataset  # noqa: E402
from edgeq.data.held_out import HELD_OUT, is_held_out  # noqa: E402
from edgeq.data.open import open_dataset  # noqa: E402
from edgeq.errors import BadData  # noqa: E402
from edgeq.graph.signature import input_specs  # noqa: E402
from edgeq.learn.training.batches import WINDOW, blended, held_out, training_batches  # noqa: E402
from tests.graph_text import net  # noqa: E402


def rows(count: int, fixed: int | str = "N") -> Dataset:
    """Sample i holds i twice."""
    model = net("y = Relu(x)", inputs=f"float[{fixed}, 2] x")
    return open_dataset({"x": np.repeat(np.arange(count, dtype=np.float32), 2).reshape(count, 2)}, input_specs(model))


def seen(data: Dataset, *, batch: int = 4, seed: int = 0, epoch: int = 0) -> list[int]:
    found = []
    for samples, feeds in training_batches(data, batch, seed=seed, epoch=epoch):
        assert feeds["x"][:, 0].astype(int).tolist() == list(samples)
        found += samples
    return found


@pytest.mark.parametrize("fixed", ["N", 3])
def test_training_and_validation_share_no_sample_and_miss_none(fixed: int | str) -> None:
    data = rows(96, fixed)
    apart = [index for samples, _ in held_out(data, 4) for index in samples]
    step = 3 if fixed == 3 else 1
    assert apart == [index for index in range(96) if is_held_out(index // step)]
    assert sorted(seen(data) + apart) == list(range(96))


def test_the_order_hangs_on_seed_and_epoch_and_mixes_within_windows() -> None:
    data = rows(400)
    first = seen(data)
    assert first == seen(data)
    assert len({tuple(first), tuple(seen(data, seed=1)), tuple(seen(data, epoch=1))}) == 3
    window = 4 * WINDOW
    assert first[:window] != sorted(first)[:window]
    assert sorted(first[:window]) == sorted(first)[:window]


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BadData, match="too few"):
        next(training_batches(rows(HELD_OUT - 1), 4, seed=0, epoch=0))


def test_a_blend_lies_between_two_samples_of_the_batch() -> None:
    feeds = {"x": np.eye(8, dtype=np.float32)}
    mixed = blended(feeds, 0.5, np.random.default_rng(0))["x"]
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)
    changed = (mixed != feeds["x"]).any(1).sum()
    assert 1 <= changed <= 7
    assert blended(feeds, 0.0, np.random.default_rng(0))["x"].tolist() == feeds["x"].tolist()


def test_samples_that_are_no_floats_are_not_blended() -> None:
    feeds = {"ids": np.arange(8)}
    assert blended(feeds, 1.0, np.random.default_rng(0)) is feeds
