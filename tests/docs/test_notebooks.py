"""Tests of the notebooks: they run from beginning to end, and their commands exist."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.test_command_lines import faults
from tests.docs.written import ROOT, Said, command_of

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def sources(path: Path, kind: str) -> list[str]:
    """The text of each cell of a kind."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"quick-start", "shared-weights", "microcontroller"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_commands_of_a_notebook_exist(path: Path) -> None:
    lines = [line[1:] for text in sources(path, "code") for line in text.splitlines() if line.startswith("!edgeq")]
    said = [Said(path.name, command_of(line.partition(" 2>")[0])) for line in lines]
    assert [fault for line in said for fault in faults(line, whole=True)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_printed(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    assert len(outputs) >= 4
    assert [one["ename"] for one in outputs if one["output_type"] == "error"] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with the commands of this environment on the PATH."""
    missing = [name for name in ("nbclient", "ipykernel", "torch", "sklearn") if find_spec(name) is None]
    if "fast_pytorch_kmeans" in "".join(sources(path, "code")):
        missing += [name for name in ("fast_pytorch_kmeans", "matplotlib") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: make docs installs them")
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(tmp_path)}}).execute()
