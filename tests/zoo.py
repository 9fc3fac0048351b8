"""Where the zoo of real models lies, for tests that want one; they skip with a reason when it is
absent.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def zoo() -> Path:
    """The zoo folder, or skip the calling test."""
    folder = Path(os.environ.get("EDGEQ_ZOO", Path(__file__).resolve().parents[2] / "shared" / "zoo"))
    if not (folder / "evaluate.py").is_file():
        pytest.skip(f"the model zoo is not at {folder}; set EDGEQ_ZOO to its folder")
    return folder


def zoo_model(name: str) -> Path:
    """The path of one zoo model, or skip the calling test."""
    path = zoo() / "models" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"the zoo has no model {name}")
    return path
