"""What a file is at a moment: which one, how large, last changed when, with which content."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

#: of files up to this size the digest is taken too, so that a new time stamp alone (touch, chmod)
#: is not mistaken for a change; hashing a larger one would take longer than that is worth
_DIGEST_UP_TO = 1 << 26
#: device and inode: one file, whichever path, symbolic or hard link leads to it
Identity = tuple[int, int]


@dataclass(frozen=True)
class Stamp:
    """What a file is when it is first read."""

    identity: Identity
    size: int
    #: times of the last change of the content and of the inode, in nanoseconds
    changed: tuple[int, int]
    #: sha256; None: the file is too large for it
    digest: bytes | None


def identity_of(path: Path) -> Identity | None:
    """Which file a path leads to; None: there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return None
    return found.st_dev, found.st_ino


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None: there is none, or it cannot be read, which its reader will say."""
    try:
        found = path.stat()
        digest = sha256_of(path) if found.st_size <= _DIGEST_UP_TO and path.is_file() else None
    except (OSError, ValueError):
        return None
    return Stamp((found.st_dev, found.st_ino), found.st_size, (found.st_mtime_ns, found.st_ctime_ns), digest)


def differs(path: Path, before: Stamp) -> bool:
    """Whether the file at a path is no longer what it was."""
    try:
        now = path.stat()
        if ((now.st_dev, now.st_ino), now.st_size, (now.st_mtime_ns, now.st_ctime_ns)) == (before.identity, before.size, before.changed):
            return False
        if before.digest is not None:
            return now.st_size != before.size or sha256_of(path) != before.digest
    except OSError:
        return True
    return ((now.st_dev, now.st_ino), now.st_size, now.st_mtime_ns) != (before.identity, before.size, before.changed[0])


def sha256_of(path: Path) -> bytes:
    """sha256 of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def same_file(path: Path, other: Path) -> bool:
    """Whether both paths lead to one file, also through links and other spellings."""
    identity = identity_of(path)
    if identity is not None and identity == identity_of(other):
        return True
    return os.path.realpath(path) == os.path.realpath(other)
