"""The GitHub Action and the pre-commit hooks: their commands run, pass and fail as gates."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli_room import Room, make_room

ROOT = Path(__file__).resolve().parents[3]
yaml = pytest.importorskip("yaml", reason="PyYAML (extra [dev]) is not installed")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("gates"))


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `edgeq` is the tree's own, and what runners of actions give."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "edgeq"
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'import sys; from edgeq.cli.main import main; sys.exit(main())' \"$@\"\n")
    command.chmod(0o755)
    own = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    return os.environ | own


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return found


def run_action(room: Room, shell: dict[str, str], **given: str) -> int:
    """The exit code of the action's last step, with inputs as a workflow gives them."""
    about = action()
    inputs = {name: str(one.get("default", "")) for name, one in about["inputs"].items()}
    inputs |= {"float-model": room.model, "int8-model": room.int8, "data": room.data, "edgeq": "none"}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    code = 0
    for step in about["runs"]["steps"]:
        env = {name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda one: inputs[one[1]], value) for name, value in step["env"].items()}
        ran = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], env=shell | env, cwd=room.path, capture_output=True)
        code = ran.returncode
        assert code in (0, 3), ran.stderr.decode()
    return code


def test_the_action_passes_and_fails_by_its_floors(room: Room, shell: dict[str, str]) -> None:
    assert run_action(room, shell, min_sqnr="1") == 0
    assert '"schema_version"' in (room.path / "edgeq-compare.json").read_text()
    assert "report=edgeq-compare.json" in Path(shell["GITHUB_OUTPUT"]).read_text()
    assert run_action(room, shell, min_sqnr="500") == 3


def test_no_input_of_the_action_is_pasted_into_a_script() -> None:
    """An input in the text of a script runs as code: inputs come as variables alone."""
    steps = action()["runs"]["steps"]
    assert all("${{" not in step["run"] for step in steps)
    given = {name for step in steps for value in step["env"].values() for name in re.findall(r"inputs\.([\w-]+)", value)}
    assert given == set(action()["inputs"])


def hooks() -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("hook", "words", "code"),
    [
        ("edgeq-compare", "model.onnx model.int8.onnx --data calib.npz --min-sqnr 1", 0),
        ("edgeq-compare", "model.onnx model.int8.onnx --data calib.npz --min-sqnr 500", 3),
        ("edgeq-check", "model.int8.onnx --target cpu", 0),
        ("edgeq-check", "model.int8.onnx --target npu_int8", 3),
    ],
)
def test_a_hook_runs_as_pre_commit_runs_it(hook: str, words: str, code: int, room: Room, shell: dict[str, str]) -> None:
    command = [*shlex.split(hooks()[hook]["entry"]), *words.split()]
    ran = subprocess.run(command, cwd=room.path, env=shell, capture_output=True, text=True)
    assert ran.returncode == code, ran.stderr


def test_hooks_look_at_models_and_take_no_file_names() -> None:
    for one in hooks().values():
        assert re.search(one["files"], "models/net.int8.onnx")
        assert not re.search(one["files"], "net.onnx.md")
        assert (one["language"], one["pass_filenames"]) == ("python", False)  # which files are compared, the arguments say
