"""The mark of a side file: it says to which model file it belongs.

A command writes a model and, beside it, files about it: the plan, golden vectors, C source, the
ORT form, a report. Renames are single steps, and a run can be killed between two of them: what then
lies beside a model may be of the model before it. So each side file holds the text
`edgeq-model-sha256:` and the sha256 of its model's file, where its format has room for comments.
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path

from edgeq.io.stamps import sha256_of

_MARK = re.compile(rb"edgeq-model-sha256:([0-9a-f]{64})")
#: endings of model files, which may lie beside each other under one name
_MODELS = (".onnx", ".tflite")
#: endings of side files, which take the place of the model's own
SIDE_FILES = (".plan.json", ".golden.npz", ".c", ".h", ".ort", ".ort.config")


def mark_of(digest: str) -> str:
    """The mark of a model file with this sha256, in hexadecimal."""
    return f"edgeq-model-sha256:{digest}"


def marked_for(path: Path) -> str | None:
    """The sha256 of the model that a side file belongs to; None: it bears no mark.

    None, too, for what cannot be read: whoever needs the file will say so.
    """
    try:
        if not path.is_file():  # opening a pipe would wait for who writes into it
            return None
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _MARK.search(content)
            return None if found is None else found[1].decode()
    except (OSError, ValueError):  # ValueError: the file is empty
        return None


def stale_beside(model: Path) -> tuple[Path, ...]:
    """The files beside a model file that bear the mark of another model.

    They were written with a model that has been replaced since, or by a run that was killed before
    its model was in place. A file that belongs to the model of the same name in the other form is
    none of them.
    """
    if not model.name:
        return ()
    paths = (path for path in (model.with_suffix(ending) for ending in SIDE_FILES) if path != model)
    marks = [(path, mark) for path in paths if (mark := marked_for(path)) is not None]
    if not marks:
        return ()
    try:
        own = sha256_of(model).hex()
        others = {sha256_of(path).hex() for path in map(model.with_suffix, _MODELS) if path != model and path.is_file()}
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return ()
    return tuple(path for path, mark in marks if mark != own and mark not in others)
