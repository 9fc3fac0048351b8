"""The last steps of writing: a finished temporary takes its place, undisturbed, and for good."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from edgeq.errors import BadOutput


def put_in_place(temporary: Path, path: Path, *, replaces: bool) -> None:
    """Give a finished temporary its path; if it does not replace, BadOutput for a file there."""
    if not replaces:
        try:
            path.hardlink_to(temporary)  # unlike a rename, this fails when another run has put a file there meanwhile
            return
        except FileExistsError as error:
            raise BadOutput("The output file exists already", str(path), "Choose another path, or pass --force to replace it.") from error
        except OSError:
            pass  # a file system without hard links
    temporary.replace(path)


@contextlib.contextmanager
def as_bad_output(path: Path) -> Iterator[None]:
    """Turn what the system says about the path into BadOutput."""
    try:
        yield
    except OSError as error:
        what, fix = f"The output cannot be written: {error.strerror or error}", "Check free space and permissions of the folder."
        raise BadOutput(what, str(path), fix) from error


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a Ctrl-C wait until the files are in their places; only the main thread hears it."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if heard:
        signal.raise_signal(signal.SIGINT)


def sync_folder(folder: Path) -> None:
    """Make the renames durable where the system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
