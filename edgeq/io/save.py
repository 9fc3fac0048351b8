"""Write one file whole or not at all; sets of files are written by edgeq/io/file_set.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir

from edgeq.io.file_set import FileSet


def save_model(
    model: ir.Model, path: str | Path, *, force: bool = False, inputs: Sequence[Path] = (), external_data: bool = False
) -> tuple[Path, ...]:
    """Write an .onnx file, and return what was written; the same model gives the same bytes.

    Weights go to <name>.<hash>.data beside it when external_data is set, and above about 2 GiB.
    force: replace an existing file. inputs: files of this run, which are never overwritten. Raises
    BadOutput; the .onnx file is then not written.
    """
    with FileSet(force=force, inputs=inputs) as files:
        files.add_model(model, Path(path), external_data=external_data)
        return files.commit()


def atomic_write_bytes(path: str | Path, data: bytes, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Write a file whole or not at all. Raises BadOutput as save_model does."""
    with FileSet(force=force, inputs=inputs) as files:
        files.add(Path(path), data)
        files.commit()


def atomic_write(path: str | Path, write: Callable[[BinaryIO], object], *, force: bool = False) -> None:
    """Let `write` write a file, whole or not at all. Raises BadOutput as save_model does."""
    with FileSet(force=force) as files:
        files.add_written(Path(path), write)
        files.commit()


def atomic_write_text(path: str | Path, text: str, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Write a UTF-8 file whole or not at all. Raises BadOutput as save_model does."""
    atomic_write_bytes(path, text.encode(), force=force, inputs=inputs)
