"""The file of a search's journal: one JSON object per line, and never what a link leads to."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from edgeq.errors import BadOutput

#: a measurement: the name of the candidate, and the fields of one of the kinds in journal.py
Record = Mapping[str, object]
#: a link at the end of a path is an error (Windows has no such flag)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def refuse_link(path: Path) -> None:
    """Raise BadOutput for a symbolic link."""
    if path.is_symlink():
        fix = f"Name the place that it leads to, {os.path.realpath(path)}."
        raise BadOutput("The search follows no links in its folder.", str(path), fix)


def content(path: Path) -> bytes:
    """The bytes of the journal; none: there is no file. Raises BadOutput, OSError."""
    if not os.path.lexists(path):
        return b""
    refuse_link(path)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BadOutput("The journal of the search is not a regular file.", str(path), "Choose another folder for the search.")
    return path.read_bytes()


def parsed(line: bytes, path: Path) -> dict[str, object]:
    """A line as a record. Raises BadOutput for what is no JSON object."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadOutput("The journal of the search is damaged.", str(path), "Remove the file; the search then begins again.")
    return found


def line_of(record: Record) -> bytes:
    """The line of a record, with its end."""
    return json.dumps(record).encode() + b"\n"


def append(path: Path, record: Record) -> None:
    """Append one line in one write, and sync it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK, 0o666)
    try:
        os.write(handle, line_of(record))
        os.fsync(handle)
    finally:
        os.close(handle)
