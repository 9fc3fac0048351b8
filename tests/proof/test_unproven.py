"""The command that proves next what a run did not: it exists, takes the file, and is one line."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path

import pytest
from typer.main import get_command

from edgeq.cli.app.commands import app
from edgeq.proof.unproven import proving_command, unproven, unproven_line
from edgeq.runtimes.table import DEFAULT, look_up
from edgeq.schema.target import load_target, shipped_targets
from tests.cli_room import make_room, run


@pytest.mark.parametrize("name", shipped_targets())
@pytest.mark.parametrize("file", ["m.int8.onnx", "a model.tflite"])
@pytest.mark.parametrize("data", [None, "calib set.npz"])
def test_the_command_exists_and_takes_the_file(name: str, file: str, data: str | None) -> None:
    target = load_target(name)
    why = unproven(target)
    if why is None:
        assert target.runtime == DEFAULT
        return
    line = proving_command(target, name, Path(file), data)
    program, command, model, *rest = shlex.split(line)
    assert (program, model) == ("edgeq", file)
    own = get_command(app).commands[command]  # type: ignore[attr-defined]
    known = {option for parameter in own.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-")} <= known
    if "--runtime" in rest:
        row = look_up(rest[rest.index("--runtime") + 1])
        assert row.takes == "tflite" or file.endswith(".onnx")
    assert "\n" not in unproven_line(why, target, line)


@pytest.mark.parametrize("target", ["tensorrt", "nnapi"])
def test_a_target_without_a_runtime_gets_a_command_that_works_here(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = make_room(tmp_path)
    out = tmp_path / "made.onnx"
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", out, "--target", target, "--no-plan")
    (line,) = (one for one in ran.err.splitlines() if one.startswith("not proven"))
    command = shlex.split(line.partition("Next: ")[2])
    assert command[:2] == ["edgeq", "check"]
    assert run(capsys, *command[1:]).code == 0


def test_a_target_file_of_a_user_s_own_is_named_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room, own = make_room(tmp_path), tmp_path / "own chip.toml"
    text = (files("edgeq.targets") / "tensorrt.toml").read_text(encoding="utf-8").replace('name = "tensorrt"', 'name = "own"', 1)
    own.write_text(text, encoding="utf-8")
    ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", tmp_path / "made.onnx", "--target", own, "--no-plan")
    (line,) = (one for one in ran.err.splitlines() if one.startswith("not proven"))
    assert run(capsys, *shlex.split(line.partition("Next: ")[2])[1:]).code == 0


def test_nothing_is_said_where_the_run_proved_or_was_told_not_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = make_room(tmp_path)
    for words in (("--target", "cpu_arm"), ("--target", "tensorrt", "--no-prove")):
        ran = run(capsys, "quantize", room.model, "-d", room.data, "-o", tmp_path / "made.onnx", "--no-plan", "--force", *words)
        assert ran.code == 0
        assert "not proven" not in ran.err
