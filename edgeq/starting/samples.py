"""Images that `edgeq init --data FOLDER` finds, and copies beside the set.toml that it writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgeq.data.folder import refuse_link_out
from edgeq.data.images import SUFFIXES, read_image
from edgeq.data.set_toml import SetInput
from edgeq.data.shipped import shipped_sets
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.io.run_files import note_read
from edgeq.io.save import atomic_write_bytes
from edgeq.starting.set_template import image_shape


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
    for path in found:
        refuse_link_out(folder, path)
    read_image(found[0], SetInput(name=inputs[0].name))
    return found


def placed(images: Sequence[Path], folder: Path) -> None:
    """Copy the images into the folder, each whole; a file of one of their names is left alone.

    Raises BadData, BadOutput.
    """
    for path in images:
        goal = folder / path.name
        if not os.path.lexists(goal):
            note_read(path)
            try:
                content = path.read_bytes()
            except OSError as error:
                fix = "Check the permissions of the file."
                raise BadData(f"The image cannot be read: {error.strerror}.", str(path), fix) from None
            atomic_write_bytes(goal, content)
