"""The journal of a search: each measurement is on disk before the next begins.

A run that is killed loses no more than the measurement in progress. The journal knows every file
that the search has written into its folder: nothing else there is replaced, no link is followed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypedDict

from edgeq.errors import BadOutput
from edgeq.io.save import atomic_write_text
from edgeq.search.journal_file import Record as Record
from edgeq.search.journal_file import append, content, parsed, refuse_link

_FILE, _VERSION = "search.jsonl", 2
#: key of the lines that name a file of the folder, with the sha256 of its content
_WROTE = "wrote"
#: how every journal begins
_BEGIN = b'{"edgeq_search": '


class Judgement(TypedDict):
    """A candidate on all data."""

    #: 10 log10(signal / noise) of the weakest output or part of one, dB
    sqnr_db: float
    #: share of the samples with the float model's first choice, 0..1; None: not a classifier
    agreement: float | None
    #: the task metric; None: the data has none
    accuracy: float | None
    #: share of multiply-accumulates in integers, by plan
    integer_pct: float
    #: share of the values of 16 bits, by plan
    wide_pct: float
    #: size of the file
    bytes: int
    #: one line for each floor that is missed
    missed: list[str]


class NotBuilt(TypedDict):
    """A candidate for which there is no model."""

    bytes: None


class Ranking(TypedDict):
    """A candidate's draft on a part of the data."""

    #: as in Judgement; None: there is no model
    sqnr_db: float | None


class Look(TypedDict):
    """One timing of a candidate."""

    #: median of paired times against the float model
    ratio: float
    #: half the 95 % interval of the ratio
    margin: float


class Journal:
    """Records by key.

    On disk: a heading line with `identity`, then one JSON object per line, each synced before `put`
    returns.
    """

    def __init__(self, folder: Path | None, identity: str) -> None:
        """Open or begin the journal in `folder` (None: in memory).

        identity: hash of everything that the measurements depend on. Raises BadOutput if the folder
        cannot be used, or holds the journal of another search or a damaged one.
        """
        self.folder = folder
        self.records: dict[str, dict[str, object]] = {}
        #: name and sha256 of the files that the search has written
        self._own: set[tuple[str, str]] = set()
        self._path = None if folder is None else folder / _FILE
        if folder is None or self._path is None:
            return
        try:
            refuse_link(folder)
            folder.mkdir(parents=True, exist_ok=True)
            self._open(self._path, identity)
        except OSError as problem:
            what = f"The folder of the search cannot be used: {problem.strerror or problem}."
            raise BadOutput(what, f"--work {folder}", "Choose another folder, or correct its permissions.") from None

    @property
    def resumed(self) -> bool:
        """Whether it holds any record."""
        return bool(self.records)

    def get(self, key: str) -> dict[str, object] | None:
        """The record of a key, or None."""
        return self.records.get(key)

    def put(self, key: str, record: Record) -> None:
        """Add a record. Once this has returned, the record survives the end of the process."""
        self.records[key] = dict(record)
        if self._path is not None:
            append(self._path, {"key": key, **record})

    def kept(self, name: str) -> Path | None:
        """The file of this name that the search has written into its folder; None: there is none.

        Raises BadOutput for a file that the search has not written.
        """
        if self.folder is None:
            return None
        path = self.folder / name
        if not os.path.lexists(path):
            return None
        refuse_link(path)
        if not path.is_file() or (name, hashlib.sha256(path.read_bytes()).hexdigest()) not in self._own:
            fix = "Choose another folder for the search, or move the file away."
            raise BadOutput("The folder holds a file that this search has not written.", str(path), fix)
        return path

    def keep(self, name: str, text: str) -> None:
        """Write a file into the folder, if there is one, in the place of what `kept` returns.

        Raises BadOutput.
        """
        self.kept(name)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self.folder is None or self._path is None:
            return
        if (name, digest) not in self._own:
            self._own.add((name, digest))
            append(self._path, {"key": _WROTE, "file": name, "sha256": digest})
        atomic_write_text(self.folder / name, text, force=True)

    def _open(self, path: Path, identity: str) -> None:
        heading: Record = {"edgeq_search": _VERSION, "identity": identity}
        text = content(path)
        whole, _, torn = text.rpartition(b"\n")
        if not text.startswith(_BEGIN) and not _BEGIN.startswith(text):
            raise BadOutput("The file is not the journal of a search.", str(path), "Choose another folder for the search.")
        if whole:
            found, *lines = (parsed(line, path) for line in whole.split(b"\n"))
            if found != heading:
                same = "the same model, data, target, recipe and versions"
                fix = f"Use another folder, or remove this one; a search continues only with {same}."
                raise BadOutput("The folder holds the journal of another search.", str(path), fix)
            for line in lines:
                self._take(line)
        if torn:  # the line that was being written when a run was killed
            os.truncate(path, len(text) - len(torn))
        if not whole:
            append(path, heading)

    def _take(self, line: dict[str, object]) -> None:
        key = str(line.pop("key", ""))
        if key == _WROTE:
            self._own.add((str(line.get("file")), str(line.get("sha256"))))
        else:
            self.records[key] = line
