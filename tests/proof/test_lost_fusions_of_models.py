"""No real network loses a fusion: the zoo's models, and those of the folders in EDGEQ_NETWORKS.

Such a folder holds NAME.onnx and its samples as NAME.npz or NAME.calib.npz.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.api import quantize
from edgeq.errors import EdgeqError
from edgeq.io.load import load_model
from edgeq.proof.proof import prove_placement
from edgeq.schema.recipe import Recipe
from tests.zoo import zoo

FOLDERS = tuple(Path(folder) for folder in os.environ.get("EDGEQ_NETWORKS", "").split(os.pathsep) if folder)


def losses(path: Path, data: Path) -> list[str]:
    """What is lost of one model; nothing of a model that is refused, which other tests judge."""
    floats = load_model(path).model
    try:
        made = quantize(path, data, recipe=Recipe(effort="fast"), prove=False)
    except EdgeqError:
        return []
    return [f"{path.stem}: {one.kernel} became {', '.join(one.apart)}" for one in prove_placement(made.model, floats).lost]


@pytest.mark.slow
def test_the_zoo_loses_none(tmp_path: Path) -> None:
    source = zoo()
    lost, tried = [], 0
    for path in sorted((source / "models").glob("*.onnx")):
        data = tmp_path / f"{path.stem}.npz"
        command = [sys.executable, str(source / "evaluate.py"), "--export", path.stem, "calib", str(data), "--limit", "16"]
        subprocess.run(command, check=True, capture_output=True)
        tried += 1
        lost += losses(path, data)
    assert tried
    assert lost == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS or [None], ids=str)
def test_other_networks_lose_none(folder: Path | None) -> None:
    if folder is None:
        pytest.skip("EDGEQ_NETWORKS names no folder of models and samples")
    lost, tried = [], 0
    for path in sorted(folder.glob("*.onnx")):
        name = path.name.removesuffix(".onnx")
        given = [folder / f"{stem}.npz" for stem in (name, f"{name}.calib", name.rsplit(".", 1)[0])]
        data = next((one for one in given if one.is_file()), None)
        if data is not None:
            tried += 1
            lost += losses(path, data)
    assert tried
    assert lost == []
