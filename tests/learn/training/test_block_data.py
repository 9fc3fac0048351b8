"""Samples in temporary files: they come back as they were, are joined by shape only, and leave no
file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.errors import BadData  # noqa: E402
from edgeq.learn.training.block_data import StoredSamples, drawn, runs_of_one_shape  # noqa: E402


def test_what_is_appended_is_read_joined_or_alone() -> None:
    first = {"a": torch.arange(6.0).reshape(1, 2, 3), "b": torch.tensor([[True]])}
    with StoredSamples() as samples:
        samples.append(first)
        samples.append({"a": torch.arange(12.0).reshape(2, 2, 3), "b": torch.tensor([[False], [True]])}, 2)
        both = samples.read([2, 0])
        assert both["a"].tolist() == [[[6, 7, 8], [9, 10, 11]], [[0, 1, 2], [3, 4, 5]]]
        assert both["b"].tolist() == [[True], [True]]
        samples.append({"a": torch.ones(1, 2, 3), "b": torch.tensor([[False]])})  # also behind what was read
        assert samples.read([3])["a"].sum() == 6


def test_values_without_an_axis_of_samples_are_kept_whole() -> None:
    with StoredSamples() as samples:
        samples.append({"n": torch.tensor(7)})
        assert samples.read([0])["n"] == torch.tensor(7)


def test_only_samples_of_one_shape_are_joined() -> None:
    with StoredSamples() as samples:
        for width in (4, 4, 5, 4, 4, 4):
            samples.append({"a": torch.zeros(1, width)})
        assert list(runs_of_one_shape(samples, 2)) == [[0, 1], [2], [3, 4], [5]]
        for seed in range(9):
            places = drawn(samples, 3, np.random.default_rng(seed))
            assert len(set(places)) == len(places) == (1 if 2 in places else 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, StoredSamples() as samples:
        monkeypatch.setattr(samples, "_file", full)
        with pytest.raises(BadData, match="No space left"):
            samples.append({"a": torch.zeros(1, 4)})
