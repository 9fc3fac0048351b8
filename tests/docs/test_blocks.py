"""Tests that every block of the pages and every example of the help runs as it is written.

Each runs in a folder with the files that it names. What cannot run here in full is a row of a table
below, with its reason.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgeq.cli.main import main
from edgeq.schema.recipe import Recipe
from tests.docs.readers_folder import make_folder, write_data
from tests.docs.written import ROOT, Block, Said, blocks, command_lines, helps, words_of

#: (what a line has, what runs instead, why)
SHORTENED = (
    ("--epochs 60", "--epochs 1", "training takes minutes"),
    ("--min-sqnr 25 --epochs 50", "--min-sqnr 10 --epochs 1", "training takes minutes"),
    ("--epochs 20", "--epochs 1", "training takes minutes"),
    ("--minutes 10 -o", "--epochs 1 -o", "training takes ten minutes"),
    ("--steps 300", "--steps 3", "reconstruction takes minutes"),
    ("--reconstruct layer -o", "--reconstruct layer --steps 3 -o", "reconstruction takes minutes"),
    ("--reconstruct block -o", "--reconstruct block --steps 3 -o", "reconstruction takes minutes"),
    ("--bits 8,4,2 --max-drop 0.5", "--bits 8,2 --max-drop 0.5 --epochs 1", "each width may take five minutes"),
    ("finetune model.onnx --data calib.npz -o", "finetune model.onnx --data calib.npz --epochs 1 -o", "training takes five minutes"),
    ("--plan model.int8.plan.json -o", "--plan model.int8.plan.json --epochs 1 -o", "training takes five minutes"),
    ("--shape input=1,3,224,224", "--shape input=1,3,16,16", "the images of these tests are small"),
    ("--range 0:500", "--range 0:20", "the data of these tests are few"),
    ("prove model.int8.onnx --runtime tflm", "prove peers_model.int8.onnx --runtime tflm", "the model has to be one for that runtime"),
    ("doctor --measure", "doctor", "timing kernels takes minutes"),
    ("-o /tmp/demo", "-o demo", "tests write into their own folder"),
    ("operators --target cpu --rounds 30", "operators --target cpu --rounds 1 --only Add", "an hour of measurements"),
    ("transformers --rounds 300", "transformers --rounds 1", "minutes of measurements"),
)
#: beginnings of lines that do not run, and why; tests/docs/test_command_lines.py reads them all
NOT_RUN = {
    "pip install": "needs the network; that the extras exist is tested",
    "make test": "runs these tests",
    "make check": "what CI runs beside these tests",
    "make format": "changes the files of the clone",
    "make demo": "`edgeq demo` runs",
    "make bench": "needs the model zoo, and an hour",
    "make docs": "needs the network; tests/docs/test_site.py builds the site where its tools are",
    "make fuzz": "CI runs it beside these tests",
    "make floors": "needs the network",
}
#: kinds of blocks that nothing runs, and why
NOT_COMMANDS = {
    "text": "what a command prints: the test of the demo's page compares it",
}
#: options of lines -> the package that they need
PACKAGES = {
    "finetune": "torch",
    "--runtime tflm": "tflite_micro",
    "-o model.tflite": "tflite",
    "--target mcu_tflite": "tflite",
    "-o model.c": "tflite_micro",
    "prove model.tflite": "ai_edge_litert",
    "compare model.onnx model.tflite": "tflite",
    "model.golden.npz": "tflite",
    "--plot": "matplotlib",
}
#: exit codes other than 0, and why
EXIT_CODES = {"edgeq check model.int8.onnx --target npu_int8": (3, "a model for cpu does not keep to the facts of a chip of integers")}
SLOW = ("finetune", "benchmarks", "--effort best", "my_cpu.toml")


def groups() -> list[list[Said]]:
    """The command lines of each block and of each help: they run one after the other.

    One that is part of another is left out: the help repeats what pages say.
    """
    found = [command_lines(list(block.lines)) for block in blocks() if block.is_commands]
    by_help: dict[str, list[Said]] = {}
    for line in helps():
        by_help.setdefault(line.place, []).append(line)
    found += by_help.values()
    texts = [{line.text for line in lines} for lines in found]
    return [lines for place, lines in enumerate(found) if not any(texts[place] < other for other in texts)]


def reason_not_to_run(line: str) -> str | None:
    return next((reason for start, reason in NOT_RUN.items() if line.startswith(start)), None)


def shortened(line: str) -> str:
    for written, instead, _ in SHORTENED:
        line = line.replace(written, instead)
    return line


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("reader"))


def run_line(line: str, folder: Path) -> int:
    """Run one command line in the folder, and return its exit code."""
    words = words_of(shortened(line))
    if words[0] == "python":
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # benchmarks are not installed
        where = ROOT if "kernels" in line else folder
        return subprocess.run([sys.executable, *words[1:]], cwd=where, env={**os.environ, "PYTHONPATH": path}, check=False).returncode
    options = dict(itertools.pairwise(words))
    if "--mean" in options:  # the reader's data are preprocessed as the line says
        write_data(folder, float(options.get("--scale", "1")), options["--mean"], options["--std"])
    return main([*words[1:], "--force"])


def as_cases(found: list[list[Said]]) -> list[object]:
    """Each group as one case, and its lines that take long as another."""
    cases = []
    for lines in found:
        long = [line for line in lines if any(word in line.text for word in SLOW)]
        for chosen, name, marks in (([line for line in lines if line not in long], "", []), (long, " long", [pytest.mark.slow])):
            if not all(reason_not_to_run(line.text) for line in chosen):
                cases.append(pytest.param(chosen, id=lines[0].place + name, marks=marks))
    return cases


@pytest.mark.parametrize("lines", as_cases(groups()))
def test_command_lines_run_as_written(lines: list[Said], readers_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    shutil.copytree(readers_folder, folder)
    monkeypatch.chdir(folder)
    for line in lines:
        missing = [package for mark, package in PACKAGES.items() if mark in line.text and find_spec(package) is None]
        if reason_not_to_run(line.text) or missing:
            continue
        assert run_line(line.text, folder) == EXIT_CODES.get(line.text, (0, ""))[0], line


@pytest.mark.parametrize("block", [block for block in blocks() if block.kind == "toml"], ids=lambda block: block.place)
def test_settings_are_a_valid_recipe(block: Block) -> None:
    Recipe.model_validate(tomllib.loads(block.text))


@dataclass(frozen=True)
class Demo:
    """What `edgeq demo` made and printed."""

    #: the folder with edgeq-demo/
    folder: Path
    #: the lines on stdout, without spaces at their ends
    lines: list[str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    code = "import sys; from edgeq.cli.main import main; sys.exit(main(['demo']))"
    environment = os.environ | {"COLUMNS": "110", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return Demo(folder, [line.rstrip() for line in done.stdout.splitlines()])


@pytest.mark.parametrize("block", [block for block in blocks() if block.kind == "python"], ids=lambda block: block.place)
def test_python_runs(block: Block, demo: Demo, readers_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    shutil.copytree(readers_folder, folder)
    shutil.copytree(demo.folder, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    for path in folder.glob("*.int8.*"):  # Python asks no more than the command line before it replaces a file
        path.unlink()
    exec(compile(block.text, block.place, "exec"), {"image": np.zeros((1, 1, 16, 16), np.float32)})


NUMBER = re.compile(r"\d+(?:\.\d+)?")


def shown_by(page: str, kind: str) -> list[list[str]]:
    """The lines of each block of a kind in a page."""
    return [block.text.splitlines() for block in blocks() if block.kind == kind and block.place.startswith(f"{page}:")]


def test_the_page_shows_what_the_demo_prints(demo: Demo) -> None:
    """Line by line: the same words, and numbers that differ by no more than processors do.

    What is said of times ends the comparison, for it is of the machine.
    """
    times = next(number for number, line in enumerate(demo.lines) if line.startswith("latency"))
    printed, shown = demo.lines[1:times], shown_by("docs/tutorials/demo.md", "text")[0]
    assert [line.split()[0] for line in shown if line.startswith(("latency", "took"))] == ["latency", "took"]
    shown = shown[: next(number for number, line in enumerate(shown) if line.startswith("latency"))]
    assert [NUMBER.sub("#", line) for line in shown] == [NUMBER.sub("#", line) for line in printed]
    ours, theirs = ([float(number) for line in lines for number in NUMBER.findall(line)] for lines in (shown, printed))
    assert ours == pytest.approx(theirs, rel=0.02)


def test_the_page_shows_the_code_that_the_demo_prints(demo: Demo) -> None:
    printed = "\n".join(demo.lines).partition("Run it\n")[2].strip().splitlines()
    assert shown_by("docs/python.md", "python")[-1] == printed


def test_every_block_runs_or_is_a_row() -> None:
    kinds = {block.kind for block in blocks() if not block.is_commands}
    assert kinds - {"toml", "python", "indented"} == set(NOT_COMMANDS)
    formulas = [block for block in blocks() if block.kind == "indented" and not block.is_commands]
    strangers = [block.place for block in formulas if re.search(r"\b(edgeq|pip|make|python) \w", block.text)]
    assert strangers == []


def test_every_row_is_needed() -> None:
    written = [line.text for lines in groups() for line in lines]
    assert [row[0] for row in SHORTENED if not any(row[0] in line for line in written)] == []
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in written)] == []
