"""The files that a run reads: none of them may be overwritten by it, or change while it lasts.

Whoever opens a file of the user calls `note_read` first. Nothing is kept unless `run_files` has
begun a record; records nest, and each of them sees what is read inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from edgeq.errors import BadOutput, InputChanged
from edgeq.io.stamps import Identity, Stamp, differs, identity_of, stamp_of

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass
class RunFiles:
    """What one run has read, and where it means to write."""

    #: whether a data folder may hold links that lead out of it
    follow_links: bool = False
    _stamps: dict[Path, Stamp] = field(default_factory=dict)
    _inputs: dict[Identity, Path] = field(default_factory=dict)
    _outputs: dict[Identity, Path] = field(default_factory=dict)

    def keep_apart(self, outputs: Iterable[Path]) -> None:
        """Refuse these outputs if they are inputs, and from now on every input that is one of them.

        Raises BadOutput.
        """
        for path in outputs:
            self.check_output(path)
            identity = identity_of(path)
            if identity is not None:
                self._outputs[identity] = path

    def check_output(self, path: Path) -> None:
        """Raise BadOutput when the path leads to a file that the run has read or will read."""
        identity = identity_of(path)
        if identity in self._inputs:
            raise _overwrites(path, self._inputs[identity])

    def check_unchanged(self) -> None:
        """Raise InputChanged when a file is no longer what it was when it was first read."""
        for path, before in self._stamps.items():
            if differs(path, before):
                what = "The file was changed or replaced while the run was reading it."
                raise InputChanged(what, str(path), "Run the command again when nothing writes to the file; nothing was written.")

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the input, each once."""
        return tuple(self._inputs.values())

    def names(self, path: Path) -> None:
        """Note a file that belongs to the input, whether it will be read or not."""
        identity = identity_of(path)
        if identity is None:
            return
        if identity in self._outputs:
            raise _overwrites(self._outputs[identity], path)
        self._inputs.setdefault(identity, path)

    def reads(self, path: Path) -> None:
        """Note a file that is about to be read. Raises BadOutput if it is an output."""
        self.names(path)
        if path not in self._stamps:
            stamp = stamp_of(path)
            if stamp is not None:
                self._stamps[path] = stamp


_RECORDS: ContextVar[tuple[RunFiles, ...]] = ContextVar("edgeq_run_files", default=())


@contextmanager
def run_files(*, follow_links: bool | None = None) -> Iterator[RunFiles]:
    """Keep a record of what is read in the block.

    follow_links: see RunFiles; None: as in the record around this one.
    """
    outer = _RECORDS.get()
    inherited = bool(outer) and outer[-1].follow_links
    mine = RunFiles(inherited if follow_links is None else follow_links)
    token = _RECORDS.set((*outer, mine))
    try:
        yield mine
    finally:
        _RECORDS.reset(token)


def watched(run: Callable[Given, Result]) -> Callable[Given, Result]:
    """Give a function a record, and refuse its result when a file changed while it was reading.

    Large constants that it makes are put into files. Raises InputChanged.
    """

    @wraps(run)
    def watching(*args: Given.args, **words: Given.kwargs) -> Result:
        from edgeq.io.mapped import spilling  # brings onnx, which --help needs not

        with run_files() as record, spilling():
            result = run(*args, **words)
            record.check_unchanged()
            return result

    return watching


def files_read(*others: Path | None) -> tuple[Path, ...]:
    """The files of the input that the run knows of, and these others, each once."""
    found = [path for record in _RECORDS.get() for path in record.paths]
    return tuple(dict.fromkeys((*found, *(path for path in others if path is not None))))


def note_read(path: Path) -> None:
    """Say that a file of the user is about to be read. Raises BadOutput if it is an output."""
    for record in _RECORDS.get():
        record.reads(path)


def note_named(paths: Iterable[Path]) -> None:
    """Say that files belong to the input. Raises BadOutput if one of them is an output."""
    records = _RECORDS.get()
    if records:
        for path in paths:
            for record in records:
                record.names(path)


def note_outputs(paths: Iterable[Path]) -> None:
    """Say where the run means to write. Raises BadOutput if one of them was read."""
    listed = list(paths)
    for record in _RECORDS.get():
        record.keep_apart(listed)


def check_not_read(path: Path) -> None:
    """Raise BadOutput when the path leads to a file that the run has read."""
    for record in _RECORDS.get():
        record.check_output(path)


def check_unchanged() -> None:
    """Raise InputChanged when a file that the run has read was changed since."""
    for record in _RECORDS.get():
        record.check_unchanged()


def links_are_followed() -> bool:
    """Whether the user allows links that lead out of a data folder (--follow-links)."""
    records = _RECORDS.get()
    return bool(records) and records[-1].follow_links


def _overwrites(output: Path, source: Path) -> BadOutput:
    what = "The output is the same file as an input"
    where = str(output) if output == source else f"{output}, which is {source}"
    return BadOutput(what, where, "Choose another path; --force does not allow this.")
