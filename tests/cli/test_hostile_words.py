"""Words on the command line that nobody means: refused, and never an exception."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.cli.main import main

NET = '<ir_version: 8, opset_import: ["" : 17]> net (float[N, 4] x) => (float[N, 4] y) <float[4, 4] w> { [m] y = MatMul(x, w) }'


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with net.onnx and d.npz, in which commands run."""
    model = onnx.parser.parse_model(NET.replace("<float[4, 4] w> ", ""))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"))
    onnx.save(model, tmp_path / "net.onnx")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that is refused says."""
    assert main(list(words)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("place", range(1, 6))
def test_an_empty_word_is_refused_wherever_it_stands(room: Path, place: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["quantize", "net.onnx", "-d", "d.npz", "-o", "q.onnx"]
    words[place] = ""
    assert "is empty" in told(capsys, *words) and f"behind {words[place - 1]}" in told(capsys, *words)
    assert sorted(path.name for path in room.iterdir()) == ["d.npz", "net.onnx"]


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("command", [("prove", "net.onnx"), ("compare", "net.onnx", "net.onnx", "-d", "d.npz")])
@pytest.mark.parametrize("threads", ["999999999999", "9" * 40, "1025", "-1"])
def test_more_threads_than_any_machine_has_are_refused(command: tuple[str, ...], threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--threads" in told(capsys, *command, "--threads", threads)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("option", ["--plan", "--stats", "--recipe", "--target", "-d"])
def test_a_device_that_never_ends_is_not_read(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "/dev/zero" in told(capsys, "quantize", "net.onnx", "-d", "d.npz", "-o", "q.onnx", option, "/dev/zero")


def test_a_report_under_a_name_that_is_not_utf_8_is_written(room: Path) -> None:
    (room / "net.onnx").rename(room / "\udcff.onnx")
    for name in ("\udcfe.json", "\udcfe.html"):
        assert main(["quantize", "\udcff.onnx", "-d", "d.npz", "-o", "q\udcff.onnx", "-f", "--no-prove", "--report", name, "-q"]) == 0
        assert "\\udcff" in (room / name).read_text(encoding="utf-8")


@pytest.mark.usefixtures("room")
def test_a_pattern_with_many_ways_to_match_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert "matches no node" in told(capsys, "quantize", "net.onnx", "-d", "d.npz", "-o", "q.onnx", "--keep-float", "/(m+)+$x/")


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "net.onnx", "\u202eb"),
        ("qu\x1b[2J",),
        ("--fo\x9b",),
        ("quantize", "--fo\u2066"),
        ("quantize", "net.onnx", "-d", "d.npz", "-o", "q.onnx", "--effort", "f\u202east"),
        ("prove", "net.onnx", "--threads", "1\x1b"),
    ],
)
def test_words_that_are_not_understood_are_repeated_without_what_they_hide(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, *words)
    assert "Usage" in said or "fix:" in said
    assert not any(odd in said for odd in "\u202e\u2066\x1b\x9b")
