"""Endings of -o are refused before any work, and .tflite asks for a target of integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.schema.target import load_target, shipped_targets
from tests.cli_room import Room, make_room, run

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"))


@pytest.mark.parametrize(
    ("command", "name", "known"),
    [
        ("quantize", "a.bin", ".onnx or .tflite"),
        ("quantize", "a", ".onnx or .tflite"),
        ("quantize", "a.TFLITE", ".onnx or .tflite"),
        ("quantize", "a.ort", "--emit ort"),
        ("finetune", "a.pt", ".onnx or .tflite"),
        ("palettize", "a.tflite", "Use .onnx."),
        ("materialize", "a.tflite", "Use .onnx."),
        ("calibrate", "a.json", "Use .npz."),
        ("convert", "a.onnx", ".tflite, .c, .ort"),
    ],
)
def test_an_unknown_ending_is_refused_before_the_model_is_read(command: str, name: str, known: str, tmp_path: Path, capsys: Capsys) -> None:
    words = {"palettize": ["--bits", "4"], "materialize": [], "convert": []}.get(command, ["-d", "digits"])
    ran = run(capsys, command, tmp_path / "no model.onnx", *words, "-o", tmp_path / name)
    assert (ran.code, ran.out, known in ran.err) == (2, "", True), ran.err
    assert "no such file" not in ran.err


@pytest.mark.parametrize("command", ["quantize", "finetune", "palettize"])
@pytest.mark.parametrize("target", ["", "cpu", "tensorrt"])
def test_a_tflite_file_says_which_targets_write_it(command: str, target: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    words = ["--bits", "4", "--compute", "int8"] if command == "palettize" else []
    given = ["--target", target] if target else []
    ran = run(capsys, command, room.model, "-d", room.data, "-o", tmp_path / "a.tflite", *words, *given)
    assert (ran.code, list(tmp_path.iterdir())) == (2, [])
    fix = ran.err.splitlines()[-1]
    wanted = [name for name in shipped_targets() if load_target(name).runtime == "tflite"]
    assert all(f"--target {name} " in fix for name in wanted)
    assert "prepare" not in ran.err


# ------------------------------------------------------------------ what a floor needs


FLOORS = [("--max-drop", "1"), ("--min-accuracy", "0.5")]


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("command", ["quantize", "compare", "finetune"])
def test_a_floor_of_accuracy_needs_labels_at_the_start(
    command: str, floor: tuple[str, str], room: Room, tmp_path: Path, capsys: Capsys
) -> None:
    if command == "compare" and floor[0] == "--max-drop":
        pytest.skip("compare has no such floor")
    if command == "finetune":
        pytest.importorskip("torch", reason="training needs the extra learn")
    words = [room.int8] if command == "compare" else ["-o", tmp_path / "a.onnx"]
    ran = run(capsys, command, room.model, *words, "-d", room.data, *floor)
    assert (ran.code, "no labels" in ran.err, list(tmp_path.iterdir())) == (2, True, [])
    assert "calibrate" not in ran.err
    assert "plan" not in ran.err


@pytest.mark.parametrize("floor", [*FLOORS, ("--min-sqnr", "10"), ("--min-agreement", "0.9")])
def test_floors_that_nothing_measures_are_refused_at_the_start(floor: tuple[str, str], room: Room, tmp_path: Path, capsys: Capsys) -> None:
    out = ("-o", tmp_path / "a.onnx", *floor)
    ran = run(capsys, "quantize", room.model, "-d", room.data, *out, "--no-prove")
    assert (ran.code, "--no-prove" in ran.err) == (2, True)
    ran = run(capsys, "quantize", room.model, "--plan", room.plan, *out)
    assert (ran.code, "Give --data" in ran.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_labels_of_the_data_that_judges_are_what_counts(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    samples = np.random.default_rng(2).normal(size=(9, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "labelled.npz", x=samples, labels=np.arange(9))
    words = ("-o", tmp_path / "a.onnx", "--max-drop", "100", "--effort", "fast")
    ran = run(capsys, "quantize", room.model, "-d", tmp_path / "labelled.npz", "--validation", room.data, *words)
    assert (ran.code, "no labels" in ran.err) == (2, True)
    assert run(capsys, "quantize", room.model, "-d", room.data, "--validation", tmp_path / "labelled.npz", *words).code == 0
