"""Files that belong together are written together: the model last, so that it vouches for the rest.

All temporaries are written before the first file is replaced, and the renames that follow take a
few milliseconds. A run that is killed among them leaves whole files; those beside a model that is
not theirs bear a mark that says so (edgeq/io/marks.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import onnx_ir as ir

from edgeq.errors import BadOutput
from edgeq.io.output_path import check_output
from edgeq.io.run_files import check_not_read, check_unchanged
from edgeq.io.stamps import sha256_of
from edgeq.io.temporaries import Temporary
from edgeq.io.writing.external_form import IN_ONE_FILE_BYTES, as_bytes, place_weights, put_tensors, refer_to, weights_bytes
from edgeq.io.writing.put_in_place import as_bad_output, put_in_place, sync_folder, uninterrupted

#: hexadecimal digits of a data file's hash that are part of its name
_DIGITS = 16


@dataclass(frozen=True, eq=False)
class _Entry:
    """A file that is written to its temporary and waits for its place."""

    path: Path
    temporary: Temporary
    #: whether an existing file may be replaced
    replaces: bool


class FileSet:
    """The files that a command writes: all of them take their places in `commit`, or none.

    with FileSet(force=force) as files:
        digest = files.add_model(model, path)
        files.add(beside, content_with(mark_of(digest)))
        written = files.commit()

    Without a commit, the temporaries are removed at the end of the block and nothing has changed.
    """

    def __init__(self, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
        """force: replace existing files. inputs: files of the run, which are never overwritten."""
        self._force, self._inputs = force, tuple(inputs)
        self._files: list[_Entry] = []
        self._models: list[_Entry] = []
        #: data files that are there already, with the content that they shall have
        self._kept: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for entry in (*self._files, *self._models):
            entry.temporary.discard()

    def add(self, path: Path, content: bytes) -> None:
        """Write a side file, or one that belongs to no model. Raises BadOutput."""
        self.add_written(path, lambda file: file.write(content))

    def add_written(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        """Let `write` write a side file, which need not be in memory. Raises BadOutput."""
        check_output(path, force=self._force, inputs=self._inputs)
        self._files.append(self._written(path, write))

    def add_text(self, path: Path, text: str) -> None:
        """Write a side file in UTF-8. Raises BadOutput."""
        self.add(path, text.encode())

    def add_last(self, path: Path, content: bytes) -> str:
        """Write a model file, which takes its place after all side files.

        Returns the sha256 of its content in hexadecimal. Raises BadOutput.
        """
        check_output(path, force=self._force, inputs=self._inputs)
        self._models.append(self._written(path, lambda file: file.write(content)))
        return hashlib.sha256(content).hexdigest()

    def add_model(self, model: ir.Model, path: Path, *, external_data: bool = False) -> str:
        """Write an .onnx file, likewise; the same model gives the same bytes.

        Its weights go to <name>.<hash>.data beside it when external_data is set, and above about
        2 GiB. Returns the sha256 of the .onnx file. Raises BadOutput.
        """
        check_output(path, force=self._force, inputs=self._inputs)
        if external_data or weights_bytes(model) >= IN_ONE_FILE_BYTES:
            model = self._with_data_beside(model, path)
        return self.add_last(path, as_bytes(model))

    def commit(self) -> tuple[Path, ...]:
        """Let every file take its place, and return the paths: side files first, models last.

        Data files of models that were replaced are removed after that. Raises BadOutput, and
        InputChanged when a file that the run has read is no longer what it was.
        """
        entries = [*self._files, *self._models]
        check_unchanged()
        for entry in entries:
            check_output(entry.path, force=entry.replaces, inputs=self._inputs)
        with uninterrupted():
            self._move(entries)
            for folder in dict.fromkeys(entry.path.parent for entry in entries):
                sync_folder(folder)
            for entry in self._models:
                self._remove_old_data(entry.path, {*self._kept, *(other.path for other in entries)})
        return (*self._kept, *(entry.path for entry in entries))

    def _written(self, path: Path, write: Callable[[BinaryIO], object]) -> _Entry:
        with as_bad_output(path):
            temporary = Temporary(path.parent)
            entry = _Entry(path, temporary, self._force)
            try:
                write(temporary.file)
                temporary.finish()
            except BaseException:
                temporary.discard()
                raise
        return entry

    def _with_data_beside(self, model: ir.Model, path: Path) -> ir.Model:
        """The model with its large weights in a data file, which is written to its temporary.

        The name of the data file is the hash of its content: a model and the data of another cannot
        meet.
        """
        folder = path.parent
        with as_bad_output(path):
            temporary = Temporary(folder)
            try:
                put_tensors(temporary.file, place_weights(model))
                temporary.finish()
                digest = sha256_of(temporary.path).hex()
            except BaseException:
                temporary.discard()
                raise
        data = folder / f"{path.name}.{digest[:_DIGITS]}.data"
        if data.is_file() and not data.is_symlink() and sha256_of(data).hex() == digest:
            temporary.discard()
            self._kept.append(data)
        else:
            self._files.append(_Entry(data, temporary, self._force))
            check_output(data, force=self._force, inputs=self._inputs)
        return refer_to(model, data.name)

    def _move(self, entries: Sequence[_Entry]) -> None:
        moved: list[Path] = []
        for entry in entries:
            try:
                with as_bad_output(entry.path):
                    put_in_place(entry.temporary.path, entry.path, replaces=entry.replaces)
            except BaseException:
                if not self._force:  # none of them was there before
                    for path in moved:
                        path.unlink(missing_ok=True)
                raise
            moved.append(entry.path)

    def _remove_old_data(self, model: Path, current: set[Path]) -> None:
        """Remove the data files of models that were at this path before."""
        named = re.compile(re.escape(model.name) + rf"\.([0-9a-f]{{{_DIGITS}}})\.data")
        for path in sorted(model.parent.iterdir()):
            found = named.fullmatch(path.name)
            if found is None or path in current or path.is_symlink():
                continue
            with contextlib.suppress(OSError, BadOutput):
                check_not_read(path)
                if path.is_file() and sha256_of(path).hex().startswith(found[1]):
                    path.unlink()
