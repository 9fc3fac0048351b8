"""Messages between a process and its workers: eight bytes of length, then as many bytes."""

from __future__ import annotations

import pickle
import struct
from typing import BinaryIO

_LENGTH = struct.Struct("<Q")


def write(file: BinaryIO, message: object) -> None:
    """Send a message of edgeq's own. Raises OSError where nobody reads."""
    body = pickle.dumps(message, protocol=5)
    file.write(_LENGTH.pack(len(body)))
    file.write(body)
    file.flush()


def read(file: BinaryIO) -> object:
    """The next message. Raises EOFError at the end, also in the middle of one."""
    (size,) = _LENGTH.unpack(_exactly(file, _LENGTH.size))
    return pickle.loads(_exactly(file, size))


def _exactly(file: BinaryIO, size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise EOFError
    return found
