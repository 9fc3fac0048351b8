"""Tests of what makes the command line easy to use: completion, examples that can be pasted, flags,
hints for words that are misspelt.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from edgeq.cli.app.commands import app
from tests.cli_room import run

Capsys = pytest.CaptureFixture[str]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group


def completions(*words: str) -> list[str]:
    """What a shell is offered for the last word."""
    typed = " ".join(("edgeq", *words))
    env = os.environ | {"_EDGEQ_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words))}
    code = "from edgeq.cli.main import main; main([])"
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("quantize", "--rule", "m"), ["minmax", "mean_minmax", "mse"]),
        (("check", "--target", "npu"), ["npu_int8", "npu_pow2"]),
        (("palettize", "--format", "mxfp8"), ["mxfp8_e4m3", "mxfp8_e5m2"]),
        (("quantize", "--data", "dig"), ["digits"]),
        (("compare", "--metric", "top"), ["top1", "top5"]),
        (("prove", "--runtime", "o"), ["onnxruntime", "openvino"]),
        (("quantize", "--engine", ""), ["local", "processes", "ray"]),
        (("quantize", "--emit", ""), ["c", "ort"]),
        (("palettize", "--compute", ""), ["float", "int8"]),
        (("palettize", "--solver", ""), ["exact", "fast-pytorch-kmeans"]),
        (("finetune", "--reconstruct", ""), ["layer", "block"]),
        (("finetune", "--centroids", ""), ["gradient", "refit"]),
    ],
)
def test_values_complete(words: tuple[str, ...], offered: list[str]) -> None:
    assert sorted(completions(*words)) == sorted(offered)


@pytest.mark.parametrize("width", ["40", "80", "200"])
@pytest.mark.parametrize("command", ["quantize", "compare", "targets"])
def test_examples_stand_in_one_line_at_any_width(width: str, command: str, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    out = run(capsys, command, "--help").out
    examples = [line for line in out.partition("Example")[2].splitlines() if line.startswith("edgeq ")]
    written = [one.strip() for one in str(COMMANDS[command].epilog).split("\n\n") if one.startswith(" ")]
    assert len(examples) == len(written)
    for shown, whole in zip(examples, written, strict=True):
        assert whole.startswith(shown)  # nothing but the command, from its beginning
        assert "(" not in shown  # what is said about it is a comment
        assert "   " not in shown


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_flag_is_told_to_take_a_value(command: str, capsys: Capsys) -> None:
    out = run(capsys, command, "--help").out
    assert "<bool>" not in out
    assert "BOOLEAN" not in out


def test_the_version_has_a_short_option(capsys: Capsys) -> None:
    assert run(capsys, "-V").out == run(capsys, "--version").out != ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("quantise", "m.onnx"), "quantize"),
        (("quantize", "m.onnx", "--tarket", "cpu"), "--target"),
        (("check", "m.onnx", "--target", "npu_int"), "Did you mean npu_int8?"),
        (("quantize", "m.onnx", "-d", "d.npz", "-o", "o.onnx", "--rule", "minmx"), "Did you mean minmax?"),
        (("quantize", "m.onnx", "-d", "d.npz", "-o", "o.onnx", "--format", "mxfp5"), "Did you mean mxfp4?"),
        (("compare", "a.onnx", "b.onnx", "-d", "d.npz", "--metric", "top"), "Did you mean top"),
    ],
)
def test_a_misspelt_word_gets_a_hint(words: tuple[str, ...], hint: str, capsys: Capsys) -> None:
    ran = run(capsys, *words)
    assert ran.code == 2
    assert hint in " ".join(ran.err.replace("│", " ").split())
