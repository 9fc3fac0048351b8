"""The rivals: what each needs, its modes, and its commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.peers.tools import PEERS, edgeq_command

#: bits of weights and of activations
Widths = Literal["w8a8", "w4a8"]


@dataclass(frozen=True)
class Rival:
    """A tool that quantizes ONNX models."""

    name: str
    #: what pip installs into its environment; nothing: it runs in that of edgeq
    packages: tuple[str, ...]
    #: the module that runs one mode: MODEL OUT --calib NPZ --mode MODE --samples N
    module: str
    #: its modes by the widths that it offers for whole layers
    modes: dict[Widths, tuple[str, ...]]


RIVALS = (
    Rival("ort", (), "benchmarks.peers.ort_peer", {"w8a8": PEERS}),
    Rival("nncf", ("nncf", "onnx", "onnxruntime"), "benchmarks.frontier.nncf_rival", {"w8a8": ("fast", "accurate", "transformer")}),
)


def python_of(rival: Rival, environments: Path) -> Path:
    """The interpreter of the rival's environment, which is made where it is missing.

    Raises CalledProcessError where the packages do not install.
    """
    if not rival.packages:
        return Path(sys.executable)
    folder = environments / rival.name
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *rival.packages], check=True)
        done.write_text("\n".join(rival.packages), encoding="utf-8")
    return python


def command_of(rival: Rival, python: Path, mode: str, files: Sequence[Path], samples: int) -> list[str]:
    """The command of one mode. files: float model, result, calibration data."""
    model, out, calib = files
    return [str(python), "-m", rival.module, str(model), str(out), "--calib", str(calib), "--mode", mode, "--samples", str(samples)]


def own_command(widths: Widths, files: Sequence[Path], samples: int) -> list[str]:
    """edgeq as a user types it. files: float model, result, calibration data."""
    model, out, calib = files
    return [*edgeq_command(model, out, calib, "default", samples, prove=True), *(["--format", "int4"] if widths == "w4a8" else [])]
