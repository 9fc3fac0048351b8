"""A folder with a small model, data and its int8 form, and the command line run in this process:
for tests of the CLI.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.cli.main import main
from tests.small_models import conv_net


@dataclass(frozen=True)
class Room:
    """model.onnx, calib.npz (16 samples, no labels), and model.int8.onnx with its plan."""

    path: Path

    @property
    def model(self) -> str:
        return str(self.path / "model.onnx")

    @property
    def data(self) -> str:
        return str(self.path / "calib.npz")

    @property
    def int8(self) -> str:
        return str(self.path / "model.int8.onnx")

    @property
    def plan(self) -> str:
        return str(self.path / "model.int8.plan.json")


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str


def make_room(path: Path) -> Room:
    """Fill the folder; quantizes once."""
    room = Room(path)
    onnx.save(conv_net(), room.model)
    samples = np.random.default_rng(1).normal(size=(16, 3, 8, 8)).astype(np.float32)
    np.savez(room.data, x=samples)
    assert main(["quantize", room.model, "-d", room.data, "-o", room.int8, "--no-prove", "-q"]) == 0
    return room


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Ran:
    """`edgeq WORDS` in this process."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)
