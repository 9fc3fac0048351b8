"""The journal of a search: each measurement is on disk before the next begins.

A run that is killed loses no more than the measurement in progress.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from edgeq.errors import BadOutput

#: a measurement: the name of the candidate, and the fields of one of the kinds below
Record = Mapping[str, object]

_FILE, _VERSION = "search.jsonl", 1


class Judgement(TypedDict):
    """A candidate on all data."""

    #: 10 log10(signal / noise) of the weakest output or part of one, dB
    sqnr_db: float
    #: share of the samples with the float model's first choice, 0..1; None: not a classifier
    agreement: float | None
    #: top-1, 0..1; None: the data has no labels
    accuracy: float | None
    #: share of multiply-accumulates in integers, by plan
    integer_pct: float
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
        self._path = None if folder is None else folder / _FILE
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
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
            _append(self._path, {"key": key, **record})

    def _open(self, path: Path, identity: str) -> None:
        text = path.read_bytes() if path.exists() else b""
        whole, _, torn = text.rpartition(b"\n")
        if torn:  # the line that was being written when a run was killed
            os.truncate(path, len(text) - len(torn))
        if not whole:
            _append(path, {"edgeq_search": _VERSION, "identity": identity})
            return
        heading, *lines = (_parsed(line, path) for line in whole.split(b"\n"))
        if heading.get("edgeq_search") != _VERSION or heading.get("identity") != identity:
            fix = "Use another folder, or remove this one; a search continues only with the same model, data, target, recipe and versions."
            raise BadOutput("The folder holds the journal of another search.", str(path), fix)
        for line in lines:
            self.records[str(line.pop("key", ""))] = line


def _parsed(line: bytes, path: Path) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadOutput("The journal of the search is damaged.", str(path), "Remove the file; the search then begins again.")
    return found


def _append(path: Path, record: Record) -> None:
    """Append one line in one write, and sync it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(handle, json.dumps(record).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
