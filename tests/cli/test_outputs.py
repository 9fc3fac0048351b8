"""Tests of the checks on output paths, and of what is written when a floor is missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.api import quantize
from edgeq.cli.asked import asked_from
from edgeq.cli.outputs import check_report
from edgeq.cli.shared.values import SharedOptions
from edgeq.cli.writing import Files, write
from edgeq.errors import BadOutput
from edgeq.io.endings import plan_path
from edgeq.io.output_path import check_folder, check_outputs
from edgeq.report.quantized import Quantized
from edgeq.schema.recipe import Floors, Recipe
from tests.small_models import conv_net


@pytest.fixture(scope="module")
def missed() -> Quantized:
    """A run that misses a floor."""
    samples = np.random.default_rng(1).normal(size=(8, 3, 8, 8)).astype(np.float32)
    return quantize(conv_net(), {"x": samples}, recipe=Recipe(floors=Floors(min_sqnr=200.0)))


def test_two_outputs_of_one_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="same path"):
        check_outputs([tmp_path / "a", None, tmp_path / "b" / ".." / "a"], force=True, inputs=[None])


def test_an_input_is_no_output_even_by_force(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(BadOutput, match="same file as an input"):
        check_outputs([tmp_path / "a"], force=True, inputs=[tmp_path / "a"])


def test_inputs_are_the_files_of_all_options_and_those_of_the_command(tmp_path: Path) -> None:
    names = ("data", "validation", "recipe", "stats", "plan", "model")
    paths = {name: tmp_path / name for name in names}
    for path in paths.values():
        path.write_text("")
    words = SharedOptions(
        force=True,
        data=str(paths["data"]),
        validation=str(paths["validation"]),
        recipe=paths["recipe"],
        stats=paths["stats"],
        plan=paths["plan"],
    )
    asked = asked_from(words)
    for path in paths.values():
        with pytest.raises(BadOutput, match="same file as an input"):
            asked.check_outputs([path], paths["model"])


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(BadOutput, match="is a file"):
        check_folder(tmp_path / "a", [], force=True, inputs=[])
    check_folder(tmp_path / "new", [tmp_path / "new" / "a"], force=False, inputs=[])


def test_a_report_has_a_known_form() -> None:
    check_report(None)
    check_report(Path("a.json"))
    with pytest.raises(BadOutput, match="extension"):
        check_report(Path("a.pdf"))


@pytest.mark.parametrize(
    ("strict", "written"), [(False, {"a.onnx", "a.plan.json", "a.json", "a.txt"}), (True, {"a.json"})], ids=["not strict", "strict"]
)
def test_with_strict_a_missed_floor_leaves_the_report_alone(missed: Quantized, strict: bool, written: set[str], tmp_path: Path) -> None:
    model = tmp_path / "a.onnx"
    files = Files(model, plan_path(model), tmp_path / "a.json", lambda digest: ((tmp_path / "a.txt", digest.encode()),))
    write(asked_from(SharedOptions(strict=strict)), missed, files)
    assert {path.name for path in tmp_path.iterdir()} == written
    if not strict:
        onnx.checker.check_model(onnx.load(model))


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_folder_has_no_plan(path: str) -> None:
    with pytest.raises(BadOutput, match="is a folder"):
        plan_path(Path(path))
