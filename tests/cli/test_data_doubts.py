"""Doubts about data that no calibration survives end every command that calibrates, before the
work; with --accept-data they stand above the result.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.data.doubts import DataDoubts
from edgeq.errors import BadData
from edgeq.schema.recipe import Recipe
from tests.cli_room import Room, make_room, run

Capsys = pytest.CaptureFixture[str]
FAST = Recipe(effort="fast")

#: the first layer of the room's model saw numbers near 1
SAMPLES = {
    "one": np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32),
    "copies": np.repeat(np.random.default_rng(0).normal(size=(1, 3, 8, 8)), 9, axis=0).astype(np.float32),
    "bytes": np.random.default_rng(0).integers(0, 256, (9, 3, 8, 8)).astype(np.float32),
}
SAID = {"one": "There is 1 sample", "copies": "All 9 samples are the same one", "bytes": "trained on much smaller"}
#: the words of each command, but for data and output
COMMANDS = {
    "quantize": ("--no-prove", "--effort", "fast"),
    "calibrate": (),
    "palettize": ("--bits", "4", "--no-prove"),
    "palettize int8": ("--bits", "4", "--compute", "int8", "--no-prove"),
    "finetune": ("--epochs", "1", "--no-prove"),
    "finetune widths": ("--bits", "8,4", "--epochs", "1"),
    "finetune float": ("--bits", "4", "--compute", "float", "--epochs", "1"),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"))


def saved(folder: Path, name: str) -> Path:
    np.savez(folder / "calib.npz", x=SAMPLES[name])
    return folder / "calib.npz"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("data", SAMPLES)
def test_every_command_that_calibrates_ends_before_it_writes(command: str, data: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    if command.startswith("finetune"):
        pytest.importorskip("torch", reason="training needs the extra learn")
    name = command.split()[0]
    out = tmp_path / ("a.npz" if name == "calibrate" else "a.onnx")
    words = (name, room.model, "-d", saved(tmp_path, data), "-o", out, *COMMANDS[command])
    ran = run(capsys, *words)
    assert (ran.code, ran.out, [path.name for path in tmp_path.iterdir()]) == (2, "", ["calib.npz"])
    assert SAID[data] in ran.err
    assert "--accept-data" in ran.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["quantize", "palettize"])
def test_accepted_doubts_stand_above_all_else(command: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    data = saved(tmp_path, "bytes")
    ran = run(capsys, command, room.model, "-d", data, "-o", tmp_path / "a.onnx", *COMMANDS[command], "--accept-data")
    assert ran.code == 0
    assert ran.out.startswith("DOUBTFUL DATA: Input `x`")
    assert any(line.startswith("note: doubtful data, accepted") for line in ran.err.splitlines())
    ran = run(capsys, command, room.model, "-d", data, "-o", tmp_path / "b.onnx", *COMMANDS[command], "--accept-data", "--json")
    assert json.loads(ran.out)["accepted"] != []


def test_statistics_of_one_sample_carry_the_doubt_on(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    stats = tmp_path / "s.npz"
    assert run(capsys, "calibrate", room.model, "-d", saved(tmp_path, "one"), "-o", stats, "--accept-data").code == 0
    words = ("quantize", room.model, "--stats", stats, "-o", tmp_path / "a.onnx", "--no-prove")
    assert "1 sample" in run(capsys, *words).err
    assert run(capsys, *words, "--accept-data").code == 0


def test_strict_makes_every_doubt_an_error_and_excludes_accepting(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    np.savez(tmp_path / "few.npz", x=np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32))
    for command in ("quantize", "calibrate"):
        out = tmp_path / ("s.npz" if command == "calibrate" else "a.onnx")
        words = (command, room.model, "-d", tmp_path / "few.npz", "-o", out)
        ran = run(capsys, *words, "--strict-data")
        assert (ran.code, "Only 5 samples" in ran.err) == (2, True)
        ran = run(capsys, *words, "--strict-data", "--accept-data")
        assert (ran.code, "Leave one of the two out" in ran.err) == (2, True)
        assert not out.exists()


@pytest.mark.parametrize("data", ["one", "bytes"])
def test_the_fix_of_a_strict_run_does_not_name_what_it_excludes(data: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    words = ("quantize", room.model, "-d", saved(tmp_path, data), "-o", tmp_path / "a.onnx", "--strict-data")
    ran = run(capsys, *words)
    assert (ran.code, "--accept-data" in ran.err) == (2, False)


def test_a_plan_that_is_repeated_calibrates_nothing(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    words = ("--plan", room.plan, "-d", saved(tmp_path, "one"), "-o", tmp_path / "a.onnx", "--no-prove")
    assert run(capsys, "quantize", room.model, *words).code == 0


@pytest.mark.parametrize(("policy", "ends"), [("refuse", True), ("strict", True), ("accept", False)])
def test_the_same_in_python(policy: DataDoubts, ends: bool, room: Room) -> None:
    data = {"x": SAMPLES["one"]}
    if ends:
        with pytest.raises(BadData, match="1 sample"):
            edgeq.quantize(room.model, data, recipe=FAST, prove=False, data_doubts=policy)
        with pytest.raises(BadData, match="1 sample"):
            edgeq.calibrate(room.model, data, recipe=FAST, data_doubts=policy)
        return
    made = edgeq.quantize(room.model, data, recipe=FAST, prove=False, data_doubts=policy)
    assert made.report.accepted == ("There is 1 sample: ranges from it fit no other.",)
