"""Compare a .tflite file with its float model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadRecipe

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgeq.cli.asked import Asked
    from edgeq.data.dataset import Dataset
    from edgeq.integers.reading.open_file import RanBy
    from edgeq.proof.compare import Comparison

#: opens the user's data for a float model
OpenData = Callable[["ir.Model"], "Dataset"]


def compare_with_file(asked: Asked, float_model: Path, path: Path, opened: OpenData, *, layers: bool) -> tuple[Comparison, RanBy]:
    """Compare a float model with a .tflite file. Raises BadRecipe for --layers."""
    from edgeq.proof.written import compare_written, read_file, reference_for

    if layers:
        raise BadRecipe("--layers compares the values of two ONNX models.", str(path), "Give the int8 ONNX model, or leave --layers out.")
    file = read_file(path, asked.max_bytes)
    reference = reference_for(asked.load_model(float_model), file)
    with asked.screen.progress() as progress:
        return compare_written(reference, file, opened(reference), progress)
