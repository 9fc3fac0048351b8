"""Keep what workers have finished in a folder, so that the same command goes on from there.

A result is found by what it depends on: the job, its setup with all models and arrays, the files
that the setup names (path, size, time of the last change), the shard, and the versions.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from edgeq.engines.parcel import Parcel, function_name
from edgeq.engines.protocol import Job, R, S, T
from edgeq.io.output_path import make_folder
from edgeq.io.save import atomic_write_bytes
from edgeq.version import __version__

#: what a file begins with; the sha256 of the rest follows, so that half a file is none
_MAGIC = b"edgeq-shard-1\n"
#: the end of the names of the files
_ENDING = ".shard"


class KeptShards:
    """Results in a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises BadOutput where the folder cannot be made."""
        self.folder = folder
        make_folder(folder)
        self._digests: dict[int, tuple[Parcel, str]] = {}

    def of(self, job: Job[T, S, R], parcel: Parcel, shards: Sequence[bytes]) -> dict[int, bytes]:
        """Place of a shard -> its packed result, for those that are there."""
        found = {}
        for place, shard in enumerate(shards):
            body = _content(self._path(job, parcel, shard))
            if body is not None:
                found[place] = body
        return found

    def put(self, job: Job[T, S, R], parcel: Parcel, shard: bytes, body: bytes) -> None:
        """Keep a result; once this has returned, it survives the end of the process."""
        head = _MAGIC + hashlib.sha256(body).digest()
        atomic_write_bytes(self._path(job, parcel, shard), head + body, force=True)

    def _path(self, job: Job[T, S, R], parcel: Parcel, shard: bytes) -> Path:
        if self._digests.get(id(parcel), (None, ""))[0] is not parcel:
            self._digests = {id(parcel): (parcel, _digest(function_name(job.open), parcel))}
        return self.folder / (hashlib.sha256(self._digests[id(parcel)][1].encode() + shard).hexdigest()[:40] + _ENDING)


def _digest(function: str, parcel: Parcel) -> str:
    whole = hashlib.sha256(f"{function} {__version__} {version('onnxruntime')} {version('numpy')}\n".encode())
    whole.update(parcel.body)
    for digest in sorted(parcel.blobs):
        whole.update(digest.encode())
    for path in filter(os.path.isfile, parcel.paths):
        found = os.stat(path)  # noqa: PTH116
        whole.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return whole.hexdigest()


def _content(path: Path) -> bytes | None:
    """The result in a file; None: there is none, or half of one."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + 32
    body = text[start:]
    return body if text[:start] == _MAGIC + hashlib.sha256(body).digest() else None
