"""Temporary files and folders that the next run removes when the run that made them was killed.

A temporary is locked (flock) for as long as its run lives; the system drops the lock with the
process, however it ends. Who can take the lock may remove the file. A process id would not do: a
run in another container writes to the same folder under ids of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import weakref
from functools import cache
from pathlib import Path
from typing import BinaryIO

from edgeq.errors import BadOutput

try:
    import fcntl
except ImportError:  # Windows: there nothing is removed, since nobody can tell whose it is
    fcntl = None  # type: ignore[assignment]

_FILE, _FOLDER = re.compile(r"\.edgeq-tmp-[0-9a-f]{16}"), re.compile(r"edgeq-tmp-[0-9a-f]{16}")


class Temporary:
    """A new file in a folder, open for writing and locked until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Make the file. Raises OSError."""
        while True:
            self.path = folder / f".edgeq-tmp-{secrets.token_hex(8)}"
            self.file: BinaryIO = self.path.open("xb")
            if _locked(self.file.fileno(), self.path, wait=True):
                return
            self.file.close()  # another run took it for a leftover between two lines: take another name

    def finish(self) -> None:
        """Bring the content to the disk. Raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if fcntl is None:
            self.file.close()  # elsewhere an open file can be renamed, and stays locked

    def discard(self) -> None:
        """Remove the file if it is still at its path, and end the lock."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.file.close()


class ScratchFolder:
    """A folder for the files of a runtime or a child process, removed at the end.

    It lies in TMPDIR. Use it in a with statement; or call `close`, at the latest the garbage
    collector does.
    """

    def __init__(self) -> None:
        """Make the folder, and remove those of runs that were killed. Raises BadOutput."""
        root = scratch_root()
        _remove_once(root)
        while True:
            self.path = root / f"edgeq-tmp-{secrets.token_hex(8)}"
            try:
                self.path.mkdir(0o700)
                handle = _open_folder(self.path)
            except OSError as error:
                fix = "Make room there, or set the environment variable TMPDIR to another folder."
                raise BadOutput(f"No temporary folder can be made: {error.strerror}.", str(root), fix) from error
            if handle is None or _locked(handle, self.path, wait=True):
                break
            os.close(handle)
        self._end = weakref.finalize(self, _remove_folder, self.path, handle)

    def close(self) -> None:
        """Remove the folder and all in it."""
        self._end()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


def scratch_root() -> Path:
    """The folder for temporary files (TMPDIR). Raises BadOutput when there is none."""
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        what = "There is no folder for temporary files that can be written."
        raise BadOutput(what, "TMPDIR", "Set the environment variable TMPDIR to a folder with free space.") from error


@cache
def _remove_once(folder: Path) -> None:
    """Remove leftovers when the run makes its first folder; a search makes thousands."""
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove temporaries in the folder that belong to this user and to no run that lives.

    Links are not followed, and what bears another name is left alone.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _FILE.fullmatch(entry.name) or _FOLDER.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(entry.path), entry.stat(follow_symlinks=False))


def _remove_if_left(path: Path, found: os.stat_result) -> None:
    is_folder = stat.S_ISDIR(found.st_mode)
    if found.st_uid != os.geteuid() or not (is_folder or stat.S_ISREG(found.st_mode)):
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _locked(handle, path, wait=False):
            if is_folder:
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    finally:
        os.close(handle)


def _locked(handle: int, path: Path, *, wait: bool) -> bool:
    """Whether the lock was taken, and the path still leads to the same file.

    Where the file system knows no locks, nothing is taken for a leftover.
    """
    if fcntl is None:
        return wait
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return wait
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False


def _open_folder(path: Path) -> int | None:
    """A handle of the folder, to hold its lock; None: the system has none (Windows)."""
    return None if fcntl is None else os.open(path, os.O_RDONLY)


def _remove_folder(path: Path, handle: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if handle is not None:
        os.close(handle)
