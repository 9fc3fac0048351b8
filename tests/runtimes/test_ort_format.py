"""--emit ort: the .ort file computes what the model computes, is the same in every run, and its
list names the kernels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.data.shipped import shipped_model
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.ort_bytes import stable
from edgeq.runtimes.ort_format import ort_format
from edgeq.schema.recipe import Recipe
from tests.cli_room import make_room, run


def test_the_file_computes_what_the_model_computes(tmp_path: Path) -> None:
    model = quantize(shipped_model("digits"), "digits", recipe=Recipe(effort="fast"), prove=False).model
    made = ort_format(model)
    path = tmp_path / "model.ort"
    path.write_bytes(made.model)
    assert made.model[4:8] == b"ORTM"
    with open_session(model) as first, open_session(path) as second:
        (spec,) = first.inputs
        sides = [4, *(side for side in spec.shape[1:] if isinstance(side, int))]
        feeds = {spec.name: np.random.default_rng(0).random(sides).astype(np.float32)}
        for wanted, found in zip(first.run(feeds), second.run(feeds), strict=True):
            np.testing.assert_array_equal(wanted, found)
    again = [ort_format(model) for _ in range(3)]
    assert {one.model for one in again} == {made.model}
    assert {one.operators for one in again} == {made.operators}
    lines = {line.split(";")[0]: line.split(";")[2].split(",") for line in made.operators.splitlines()}
    assert "QLinearConv" in lines["ai.onnx"]
    assert "Conv" not in lines["ai.onnx"]


def test_a_file_of_another_build_is_left_as_it_is() -> None:
    """What cannot be understood is not touched: neither an empty file nor one without the table."""
    assert stable(b"") == b""
    assert stable(bytes(64)) == bytes(64)


def test_the_command_writes_both_files_beside_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = make_room(tmp_path)
    words = ("quantize", room.model, "-d", room.data, "-o", tmp_path / "small.onnx", "--no-prove", "-q", "--emit")
    assert run(capsys, *words, "ort").code == 0
    assert (tmp_path / "small.ort").read_bytes()[4:8] == b"ORTM"
    assert "QLinearConv" in (tmp_path / "small.ort.config").read_text(encoding="utf-8")
    refused = run(capsys, *words, "rom")
    assert refused.code == 2
    assert "--emit ort" in refused.err
