"""Checkpoints that lack something, or hold what is not theirs, are refused in words."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from edgeq.errors import BadCheckpoint  # noqa: E402  # behind the test for torch
from edgeq.learn.training.checkpoint import Identity, State, load_checkpoint, planned_epochs, save_checkpoint  # noqa: E402

IDENTITY = Identity("m", "p", "d", "s", 3)


def state() -> State:
    weights = {"w": torch.ones(2)}
    return State(1, weights, {"state": {}, "param_groups": []}, weights, 1, 0.5, 1.0, 0, (0.5,))


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A good checkpoint after a change of its content."""
    save_checkpoint(folder / "c.pt", state(), IDENTITY)
    found = torch.load(folder / "c.pt", weights_only=True)
    change(found)
    torch.save(found, folder / "c.pt")
    return folder / "c.pt"


@pytest.mark.parametrize("key", ["epoch", "parameters", "optimizer", "best", "best_epoch", "best_score", "start_score", "stale"])
def test_a_missing_field_is_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=key):
        load_checkpoint(changed(tmp_path, lambda found: found["state"].pop(key)), IDENTITY)


@pytest.mark.parametrize(("key", "value"), [("epoch", "1"), ("parameters", [1]), ("losses", 3), ("best", {"w": 1}), ("unknown", 1)])
def test_a_field_of_another_kind_is_refused(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="damaged at"):
        load_checkpoint(changed(tmp_path, lambda found: found["state"].update({key: value})), IDENTITY)


@pytest.mark.parametrize("part", ["identity", "state"])
@pytest.mark.parametrize("value", [None, 3, {1: 2}])
def test_a_checkpoint_without_its_parts_is_refused(part: str, value: object, tmp_path: Path) -> None:
    path = changed(tmp_path, lambda found: found.update({part: value}))
    for read in (planned_epochs, lambda path: load_checkpoint(path, IDENTITY)):
        with pytest.raises(BadCheckpoint, match="lacks"):
            read(path)


def test_a_number_of_epochs_that_is_none_is_refused(tmp_path: Path) -> None:
    for value in (None, "3", -1):
        with pytest.raises(BadCheckpoint, match="how many epochs"):
            planned_epochs(changed(tmp_path, lambda found, value=value: found["identity"].update(epochs=value)))


def test_a_file_that_was_cut_short_or_is_a_device_is_refused(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save({"format": "edgeq-checkpoint-1"}, whole)
    (tmp_path / "c.pt").write_bytes(whole.getvalue()[:-50])
    for path in (tmp_path / "c.pt", Path("/dev/zero"), tmp_path):
        with pytest.raises(BadCheckpoint):
            planned_epochs(path)


def test_a_good_checkpoint_comes_back(tmp_path: Path) -> None:
    found = load_checkpoint(changed(tmp_path, lambda _: None), IDENTITY)
    assert (found.epoch, found.losses, planned_epochs(tmp_path / "c.pt")) == (1, (0.5,), 3)


def test_a_checkpoint_of_an_earlier_version_has_no_scores(tmp_path: Path) -> None:
    found = load_checkpoint(changed(tmp_path, lambda found: found["state"].pop("scores")), IDENTITY)
    assert (found.losses, found.scores) == ((0.5,), ())
