"""The data sets that come with edgeq, by name."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from edgeq.data.set_toml import read_set
from edgeq.errors import BadData


def shipped_sets() -> tuple[str, ...]:
    """Names of the data sets that come with edgeq.

    >>> shipped_sets()
    ('digits',)
    """
    return tuple(sorted(entry.name for entry in files("edgeq.calibration_sets").iterdir() if (entry / "set.toml").is_file()))


def shipped_folder(name: str) -> Path:
    """The folder of a shipped set. Raises BadData for an unknown name."""
    known = shipped_sets()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        fix = f"Did you mean {near[0]!r}? " if near else ""
        what = f"There is no file, folder or shipped data set {name!r}."
        raise BadData(what, "--data", f"{fix}Give an .npz file, a folder, or one of the shipped sets: {', '.join(known)}.")
    return Path(str(files("edgeq.calibration_sets") / name))


def shipped_model(name: str) -> Path:
    """The float ONNX model that comes with a shipped set. Raises BadData.

    >>> shipped_model("digits").name
    'digits.onnx'
    """
    folder = shipped_folder(name)
    model = read_set(folder / "set.toml").model
    if model is None:
        raise BadData(f"The set {name!r} comes without a model.", str(folder / "set.toml"), "Give your own model.")
    return folder / model
