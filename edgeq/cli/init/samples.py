"""Images that `edgeq init --data FOLDER` finds, and copies beside the set.toml that it writes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edgeq.data.images import SUFFIXES, read_image
from edgeq.data.set_template import image_shape
from edgeq.data.set_toml import SetInput
from edgeq.data.shipped import shipped_sets
from edgeq.errors import BadData, BadOutput
from edgeq.graph.signature import InputSpec


def images_in(data: str, inputs: Sequence[InputSpec]) -> tuple[Path, ...]:
    """The images of a folder that needs a set.toml, sorted by name; empty for all other data.

    Raises BadData when the model takes no images, and when the first one cannot be decoded.
    """
    folder = Path(data)
    if data in shipped_sets() or not folder.is_dir() or (folder / "set.toml").exists():
        return ()
    found = tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()))
    if not found:
        return ()
    if len(inputs) != 1 or image_shape(inputs[0]) is None:
        names = ", ".join(spec.name for spec in inputs) or "none"
        fix = "Give arrays as your application feeds them: one .npz per sample, or one .npz of all (axis 0 = sample)."
        raise BadData(f"The folder holds images, and no single input takes images (1 or 3 channels); the inputs: {names}.", data, fix)
    read_image(found[0], SetInput(name=inputs[0].name))
    return found


def placed(images: Sequence[Path], folder: Path) -> None:
    """Copy the images into the folder; a file of one of their names is left alone.

    Raises BadOutput.
    """
    for path in images:
        goal = folder / path.name
        try:
            if not goal.exists():
                shutil.copyfile(path, goal)
        except OSError as error:
            fix = "Check free space and permissions of the folder."
            raise BadOutput(f"The image cannot be copied: {error.strerror}.", str(goal), fix) from None
