"""Damaged .tflite files kill a child process at most; what lies in the folder is not run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgeq.api import quantize
from edgeq.errors import BadModel, EdgeqError
from edgeq.integers.emit import emit_tflite
from edgeq.integers.tflite.read import file_operators
from edgeq.runtimes.runtime import Request
from edgeq.runtimes.table import RuntimeName, look_up
from edgeq.schema.recipe import Recipe
from tests.targets.test_integer_only import net, samples


@cache
def whole() -> bytes:
    """A small .tflite file."""
    made = quantize(net(), samples(), target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False)
    return emit_tflite(made.model)


def damaged(seed: int) -> bytes:
    """The file with some of its bytes replaced."""
    random, data = np.random.default_rng(seed), bytearray(whole())
    for place in random.integers(8, len(data), 12):
        data[place] = random.integers(0, 256)
    return bytes(data)


def opened(runtime: RuntimeName, model: bytes) -> int:
    row = look_up(runtime)
    if not row.installed:
        pytest.skip(f"{runtime} is not installed")
    return len(list(row.open(Request(model, 1, 1, row.accelerator(None)))))


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
@pytest.mark.parametrize("size", [9, 200, 1000, -40])
def test_a_file_that_was_cut_short_is_refused_in_words(runtime: RuntimeName, size: int) -> None:
    with pytest.raises(EdgeqError):
        opened(runtime, whole()[:size])


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_damaged_file_opens_or_is_refused_and_this_process_lives(runtime: RuntimeName, seed: int) -> None:
    try:
        assert opened(runtime, damaged(seed)) > 0
    except EdgeqError as error:
        assert error.fix


def test_what_lies_in_the_users_folder_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "it ran"
    for name in ("numpy", "json", "ethosu", "flatbuffers"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')")
    model = whole()
    monkeypatch.chdir(tmp_path)
    assert opened("litert", model) == 2 and opened("vela", model) == 1
    assert not mark.exists()


@pytest.mark.parametrize("size", [8, 64, 500])
def test_the_operators_of_a_file_that_was_cut_short_are_not_listed(size: int) -> None:
    with pytest.raises(BadModel, match="damaged"):
        file_operators(whole()[:size], "kernel")
