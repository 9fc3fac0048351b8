"""Tests of what the command line says when the input is bad: three lines, exit code 2, nothing on
stdout, nothing written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.cli.main import main
from edgeq.cli.screen import LONGEST_LINE
from tests.cli_room import Ran, Room, make_room, run
from tests.small_models import conv_net

Capsys = pytest.CaptureFixture[str]
Words = list[str | Path]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room"))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})
    return path


def other_model(path: Path) -> Path:
    """Same inputs and outputs as the room's model, other weights."""
    proto = conv_net()
    proto.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.ones(4, np.float32), "b"))
    onnx.save(proto, path)
    return path


def x(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def with_nan() -> np.ndarray:
    array = x(9, 3, 8, 8)
    array[4, 1, 2, 3] = np.nan
    return array


#: name -> the words after `quantize MODEL ... -o OUT`, given the room and a scratch folder
QUANTIZE: dict[str, tuple[Callable[[Room, Path], Words], str]] = {
    "no data at all": (lambda _r, _t: [], "No data was given"),
    "data that is not there": (lambda _r, t: ["-d", t / "none.npz"], "no file, folder or shipped data set"),
    "data of an unknown kind": (lambda _r, t: ["-d", write(t / "a.csv", "1,2")], "neither"),
    "data that is no zip": (lambda _r, t: ["-d", write(t / "a.npz", "hello")], "npz"),
    "data for another input": (lambda _r, t: ["-d", npz(t / "a.npz", image=x(9, 3, 8, 8))], "x"),
    "data of a wrong rank": (lambda _r, t: ["-d", npz(t / "a.npz", x=x(9, 8))], "x"),
    "data of a wrong shape": (lambda _r, t: ["-d", npz(t / "a.npz", x=x(9, 3, 9, 9))], "x"),
    "data of strings": (lambda _r, t: ["-d", npz(t / "a.npz", x=np.full((9, 3, 8, 8), "a"))], "x"),
    "no samples": (lambda _r, t: ["-d", npz(t / "a.npz", x=x(0, 3, 8, 8))], "no samples"),
    "NaN in the data": (lambda _r, t: ["-d", npz(t / "a.npz", x=with_nan())], "NaN"),
    "a folder without samples": (lambda _r, t: ["-d", t], ""),
    "doubtful data when strict": (lambda _r, t: ["-d", npz(t / "a.npz", x=np.ones((9, 3, 8, 8), np.float32)), "--strict-data"], ""),
    "a recipe that is not there": (lambda r, t: ["-d", r.data, "--recipe", t / "none.toml"], "cannot be read"),
    "a recipe that is no TOML": (lambda r, t: ["-d", r.data, "--recipe", write(t / "r.toml", "rule = = 3")], "not valid TOML"),
    "a recipe with an unknown key": (lambda r, t: ["-d", r.data, "--recipe", write(t / "r.toml", "ruel = 'kl'")], "ruel"),
    "a recipe with a bad value": (lambda r, t: ["-d", r.data, "--recipe", write(t / "r.toml", "percentile = 101")], "percentile"),
    "an unknown rule": (lambda r, _t: ["-d", r.data, "--rule", "entropy"], "rule"),
    "an unknown granularity": (lambda r, _t: ["-d", r.data, "--weights", "per_row"], "weights"),
    "a pattern that matches nothing": (lambda r, _t: ["-d", r.data, "--keep-float", "nope*"], "nope*"),
    "a broken regular expression": (lambda r, _t: ["-d", r.data, "--keep-float", "/(/"], "regular expression"),
    "an unknown target": (lambda r, _t: ["-d", r.data, "--target", "tpu"], "no target named 'tpu'"),
    "a target file with an unknown key": (lambda r, t: ["-d", r.data, "-t", write(t / "t.toml", "speed = 3")], "target"),
    "a shape that is none": (lambda r, _t: ["-d", r.data, "--shape", "x=1,a"], "not a shape"),
    "a shape for no input": (lambda r, _t: ["-d", r.data, "--shape", "y=1,3,8,8"], "y"),
    "two shapes for one input": (lambda r, _t: ["-d", r.data, "--shape", "x=1,3,8,8", "--shape", "x=2,3,8,8"], "two shapes"),
    "a shape against the model": (lambda r, _t: ["-d", r.data, "--shape", "x=1,4,8,8"], "x"),
    "a size that is none": (lambda r, _t: ["-d", r.data, "--max-bytes", "big"], "not a size"),
    "a memory budget that is none": (lambda r, _t: ["-d", r.data, "--memory", "much"], "--memory"),
    "a model above the size limit": (lambda r, _t: ["-d", r.data, "--max-bytes", "1kB"], "1000"),
    "statistics that are not there": (lambda _r, t: ["--stats", t / "none.npz"], ""),
    "statistics that are none": (lambda r, _t: ["--stats", r.data], ""),
    "a plan that is not there": (lambda _r, t: ["--plan", t / "none.json"], "cannot be read"),
    "a damaged plan": (lambda _r, t: ["--plan", write(t / "p.json", "{}")], "damaged"),
    "a report of an unknown form": (lambda r, t: ["-d", r.data, "--report", t / "a.pdf"], ".pdf"),
    "a report over an input": (lambda r, t: ["-d", r.data, "--recipe", write(t / "r.json", ""), "--report", t / "r.json", "-f"], ""),
    "a report in no folder": (lambda r, t: ["-d", r.data, "--report", t / "no" / "a.json"], "folder"),
    "no sample": (lambda r, _t: ["-d", r.data, "--samples", "0"], ""),
    "a floor above 1": (lambda r, _t: ["-d", r.data, "--min-agreement", "2"], ""),
    "an unknown option": (lambda r, _t: ["-d", r.data, "--fast"], "--fast"),
}
BY_TYPER = ("no sample", "a floor above 1", "an unknown option")


def check_refusal(ran: Ran, said: str, code: int = 2) -> None:
    """Three lines on stderr, after the lines of progress; one screen at most."""
    assert ran.code == code
    assert ran.out == ""
    assert said in ran.err
    what, where, fix = ran.err.rstrip("\n").split("\n")[-3:]
    assert what.startswith("error: ")
    assert where.startswith("  where: ")
    assert fix.startswith("  fix:   ")
    assert max(map(len, (what, where, fix))) <= LONGEST_LINE + 20
    assert min(map(len, (what, where, fix))) > 10


@pytest.mark.parametrize("case", [case for case in QUANTIZE if case not in BY_TYPER])
def test_quantize_refuses(case: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    scratch, out = tmp_path / "in", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    words, said = QUANTIZE[case][0](room, scratch), QUANTIZE[case][1]
    before = sorted(scratch.iterdir())
    check_refusal(run(capsys, "quantize", room.model, "-o", out / "a.onnx", "--no-prove", *words), said)
    assert list(out.iterdir()) == []
    assert sorted(scratch.iterdir()) == before


@pytest.mark.parametrize("case", BY_TYPER)
def test_wrong_usage_ends_with_2(case: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    ran = run(capsys, "quantize", room.model, "-o", tmp_path / "a.onnx", *QUANTIZE[case][0](room, tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert "Error" in ran.err
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ models

MODELS: dict[str, tuple[Callable[[Room, Path], Path], str]] = {
    "that is not there": (lambda _r, t: t / "none.onnx", "no such file"),
    "that is a folder": (lambda _r, t: t, "folder"),
    "that is empty": (lambda _r, t: write(t / "a.onnx", ""), "empty"),
    "that is text": (lambda _r, t: write(t / "a.onnx", "<html>not here</html>"), "text"),
    "that is cut short": (lambda r, t: write(t / "a.onnx", Path(r.model).read_bytes()[:5000]), ""),
    "that is quantized already": (lambda r, _t: Path(r.int8), "already quantized"),
}


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("command", ["quantize", "calibrate", "inspect", "init"])
def test_a_model_is_refused(case: str, command: str, room: Room, tmp_path: Path, capsys: Capsys) -> None:
    model, said = MODELS[case][0](room, tmp_path), MODELS[case][1]
    out = tmp_path / "out"
    out.mkdir()
    words: Words = {"inspect": [], "init": ["-o", out], "quantize": ["-d", room.data, "-o", out / "a.onnx"]}.get(
        command, ["-d", room.data, "-o", out / "a.npz"]
    )
    check_refusal(run(capsys, command, model, *words), said)
    assert list(out.iterdir()) == []


# ------------------------------------------------------------------ outputs


def test_nothing_is_overwritten_without_force(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    for name in ("a.onnx", "a.plan.json", "a.json"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        write(folder / name, "mine")
        words = ("-d", room.data, "-o", folder / "a.onnx", "--report", folder / "a.json", "--no-prove")
        check_refusal(run(capsys, "quantize", room.model, *words), "exists")
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "mine"
        assert run(capsys, "quantize", room.model, *words, "--force").code == 0


def test_the_input_is_never_written_over(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    model = tmp_path / "a.onnx"
    shutil.copy(room.model, model)
    check_refusal(run(capsys, "quantize", model, "-d", room.data, "-o", model, "--force"), "same file as an input")
    check_refusal(run(capsys, "calibrate", room.model, "-d", room.data, "-o", room.data, "--force"), "same file as an input")
    assert model.read_bytes() == Path(room.model).read_bytes()


# ------------------------------------------------------------------ the other commands


def test_statistics_of_another_model_setting_or_data_are_refused(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    stats = tmp_path / "s.npz"
    assert run(capsys, "calibrate", room.model, "-d", room.data, "-o", stats).code == 0
    other = other_model(tmp_path / "other.onnx")
    check_refusal(run(capsys, "quantize", other, "--stats", stats, "-o", tmp_path / "a.onnx"), "another model")
    words = ("--stats", stats, "-o", tmp_path / "a.onnx", "--shape", "x=1,3,8,8")
    check_refusal(run(capsys, "quantize", room.model, *words), "other settings")
    data = npz(tmp_path / "b.npz", x=x(9, 3, 8, 8))
    check_refusal(run(capsys, "quantize", room.model, "-d", data, "--stats", stats, "-o", tmp_path / "a.onnx"), "other data")
    assert not (tmp_path / "a.onnx").exists()


def test_a_plan_of_another_model_is_refused(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    other = other_model(tmp_path / "other.onnx")
    check_refusal(run(capsys, "quantize", other, "--plan", room.plan, "-o", tmp_path / "a.onnx"), "another model")


def test_overlapping_shards_are_refused(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    for name, part in (("a", "0:6"), ("b", "5:9")):
        assert run(capsys, "calibrate", room.model, "-d", room.data, "--range", part, "-o", tmp_path / f"{name}.npz").code == 0
    check_refusal(run(capsys, "calibrate", "--merge", tmp_path / "a.npz", tmp_path / "b.npz", "-o", tmp_path / "c.npz"), "")
    assert not (tmp_path / "c.npz").exists()


@pytest.mark.parametrize("words", [["--range", "5"], ["--range", "7:3"], ["--range", "30:40"], ["--merge"], []])
def test_calibrate_refuses(words: list[str], room: Room, tmp_path: Path, capsys: Capsys) -> None:
    data = ["-d", room.data] if "--range" in words else []
    check_refusal(run(capsys, "calibrate", room.model, *data, *words, "-o", tmp_path / "s.npz"), "")
    assert list(tmp_path.iterdir()) == []


def test_compare_wants_labels_when_asked(room: Room, capsys: Capsys) -> None:
    check_refusal(run(capsys, "compare", room.model, room.int8, "-d", room.data, "--labels"), "no labels")


def test_prove_refuses_misspelt_types_and_unknown_sizes(room: Room, capsys: Capsys) -> None:
    assert run(capsys, "prove", room.int8, "--require-int8", "Covn").code == 2
    ran = run(capsys, "prove", room.int8, "--float", room.model, "--shape", "z=1")
    check_refusal(ran, "no input 'z'")


def test_explain_suggests_near_names(room: Room, capsys: Capsys) -> None:
    ran = run(capsys, "explain", room.int8, "Conw")
    check_refusal(ran, "Did you mean conv")


def test_explain_refuses_a_plan_that_did_not_make_the_model(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    model = tmp_path / "m.onnx"
    shutil.copy(room.int8, model)
    ran = run(capsys, "explain", model, "conv")
    check_refusal(ran, "no plan beside it")
    assert "--plan" in ran.err
    assert run(capsys, "explain", model, "conv", "--plan", room.plan).code == 0
    write(tmp_path / "m.plan.json", Path(room.plan).read_text().replace(" kept [", " took ["))
    check_refusal(run(capsys, "explain", model, "conv"), "not the one that made it")
    shutil.copy(room.model, model)
    check_refusal(run(capsys, "explain", model, "conv"), "not made by edgeq")


def test_targets_refuses(capsys: Capsys) -> None:
    check_refusal(run(capsys, "targets", "shwo", "cpu"), "has no such form")
    check_refusal(run(capsys, "targets", "show", "tpu"), "no target named")


def test_a_long_error_fits_a_screen(room: Room, tmp_path: Path, capsys: Capsys) -> None:
    check_refusal(run(capsys, "quantize", room.model, "-d", room.data, "-o", tmp_path / "a.onnx", "--rule", "x" * 5000), "rule")


# ------------------------------------------------------------------ bugs


def test_a_bug_says_so_and_how_to_report_it(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.schema.target.shipped_targets", lambda: 1 / 0)
    ran = run(capsys, "targets")
    assert (ran.code, ran.out) == (1, "")
    assert "This is a bug in edgeq: ZeroDivisionError" in ran.err
    assert "EDGEQ_DEBUG=1" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("EDGEQ_DEBUG", "1")
    assert main(["targets"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["quantize", "m.onnx", "-o"], ["calibrate", "m.onnx", "-d", "d.npz", "-o"], ["targets", "--bogus"]])
def test_words_that_are_not_understood_are_answered_with_the_usage_of_the_command(words: list[str], capsys: Capsys) -> None:
    assert main(words) == 2
    assert f"Usage: edgeq {words[0]} " in capsys.readouterr().err
