"""Tests of edgeq.runtimes.table: command line, target files, documentation and packaging say what
its rows say.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edgeq.cli.main import main
from edgeq.errors import BadRecipe, BadTarget, MissingExtra
from edgeq.runtimes.runtime import EXTRA, Request
from edgeq.runtimes.table import DEFAULT, RUNTIMES, RuntimeName, look_up
from edgeq.schema.target import load_target

ROOT = Path(__file__).resolve().parents[2]
ROWS = [look_up(name) for name in RUNTIMES]
#: those that pip installs; the others are packages of npm
OF_PIP = [row.name for row in ROWS if row.found is None]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODELS = {"onnx": [row.name for row in ROWS if row.takes == "onnx"], "tflite": [row.name for row in ROWS if row.takes == "tflite"]}


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_row_has_the_name_of_its_module(name: RuntimeName) -> None:
    row = look_up(name)
    assert row.name == name
    assert sys.modules[row.open.__module__].__name__.rpartition(".")[2] == name


def test_looking_rows_up_imports_no_runtime() -> None:
    code = """import sys
from edgeq.runtimes.table import RUNTIMES, look_up
print('numpy' in sys.modules)
print(sorted({look_up(name).module for name in RUNTIMES} - {''} & set(sys.modules)), 'onnxruntime' in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "[] False"]


@pytest.mark.parametrize("name", OF_PIP)
def test_a_missing_package_is_named_with_what_installs_it(name: RuntimeName, monkeypatch: pytest.MonkeyPatch) -> None:
    row = look_up(name)
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(f"{row.module}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, row.module, None)
    with pytest.raises(MissingExtra) as missing:
        list(row.open(Request(b"", 1, 1, row.accelerator(None))))
    assert f"pip install {row.package}," in missing.value.fix
    assert missing.value.where == f"--runtime {name}"
    assert not row.installed


@pytest.mark.parametrize("name", sorted(set(RUNTIMES) - set(OF_PIP)))
def test_a_missing_package_of_npm_is_named_with_what_installs_it(
    name: RuntimeName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NODE_PATH", "")
    row = look_up(name)
    with pytest.raises(MissingExtra) as missing:
        list(row.open(Request(b"", 1, 1, row.accelerator(None))))
    assert missing.value.fix == f"Install Node, then in this folder: npm install {row.package}."
    assert not row.installed


def test_an_accelerator_is_one_of_the_row() -> None:
    vela, litert = look_up("vela"), look_up("litert")
    assert (vela.accelerator(None), vela.accelerator("ethos-u85-256")) == ("ethos-u55-128", "ethos-u85-256")
    with pytest.raises(BadRecipe, match="ethos-u99") as refused:
        vela.accelerator("ethos-u99")
    assert all(name in refused.value.fix for name in vela.accelerators)
    assert litert.accelerator(None) == ""


# ------------------------------------------------------------------ the command line


def test_help_lists_the_runtimes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--help"]) == 0
    said = " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    assert f"{DEFAULT}, {', '.join(RUNTIMES[:-1])} or {RUNTIMES[-1]}." in said


def test_an_unknown_runtime_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("net.onnx", "net.tflite"):
        assert main(["prove", model, "--runtime", "ncnn"]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "There is no runtime 'ncnn'." in said
        assert f"Use one of: {', '.join((DEFAULT, *RUNTIMES))}." in said


@pytest.mark.parametrize("name", [DEFAULT, *MODELS["onnx"]])
def test_a_runtime_of_onnx_models_names_those_that_take_tflite(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "net.tflite", "--runtime", name]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{name} takes ONNX models." in said
    assert f"--runtime {', '.join(MODELS['tflite'][:-1])} or {MODELS['tflite'][-1]}." in said


@pytest.mark.parametrize("name", MODELS["tflite"])
def test_a_runtime_of_tflite_files_looks_for_the_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "no such.tflite", "--runtime", name]) == 2
    assert "The model file does not exist." in capsys.readouterr().err


# ------------------------------------------------------------------ target files


def target_file(runtime: str, folder: Path) -> str:
    text = (ROOT / "targets" / "mcu_tflite.toml").read_text(encoding="utf-8")
    path = folder / "chip.toml"
    path.write_text(re.sub(r"^runtime = .*$", f'runtime = "{runtime}"', text, flags=re.MULTILINE), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", [DEFAULT, *RUNTIMES, "tflite", "none"])
def test_a_target_names_any_runtime_of_the_table(name: str, tmp_path: Path) -> None:
    assert load_target(target_file(name, tmp_path)).runtime == name


def test_a_target_with_an_unknown_runtime_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadTarget, match="Key `runtime` in the target") as refused:
        load_target(target_file("ncnn", tmp_path))
    assert set(re.findall(r"'(\w+)'", refused.value.what)) == {DEFAULT, *RUNTIMES, "tflite", "none"}
    assert refused.value.fix == "Correct `runtime` (found 'ncnn')."


# ------------------------------------------------------------------ documentation and packaging


def test_the_documentation_has_a_line_for_every_row() -> None:
    text = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    runtimes, read = text.partition("## What is read")[::2]
    assert dict(re.findall(r"^\| `(\w+)` \| ([\w-]+) \|", runtimes, re.MULTILINE)) == {row.name: row.package for row in ROWS}
    read = read.partition("\n## ")[0]
    assert set(re.findall(r"^\| (\w+) \|", read, re.MULTILINE)) == set(RUNTIMES)


def test_the_extra_installs_the_package_of_every_row() -> None:
    wanted = [re.match(r"[\w-]+(\[\w+\])?", line) for line in PROJECT["project"]["optional-dependencies"][EXTRA]]
    assert {name[0] for name in wanted if name is not None} == {"edgeq[tflite]", *(look_up(name).package for name in OF_PIP)}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert {look_up(name).package for name in OF_PIP} - {pin.partition("==")[0] for pin in pins} == set()


@pytest.mark.parametrize("name", OF_PIP)
def test_the_type_checker_passes_whether_a_runtime_is_installed_or_not(name: RuntimeName) -> None:
    """Where a file imports its runtime, and does not start it in a process of its own, mypy is told
    so.
    """
    path = sys.modules[look_up(name).open.__module__].__file__
    tree = ast.parse(Path(str(path)).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    module = look_up(name).module
    told = {pattern for override in PROJECT["tool"]["mypy"]["overrides"] for pattern in override["module"]}
    if module in {path.partition(".")[0] for path in imported}:
        assert f"{module}.*" in told
