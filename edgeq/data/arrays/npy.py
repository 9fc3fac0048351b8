"""Read .npy and .npz arrays row by row, without trusting what their headers declare.

Data may be stored or deflated; an array of samples is never held in memory as a whole.
"""

from __future__ import annotations

import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from edgeq.data.arrays.npy_header import SAVE_AGAIN, NpyHeader, check_declared, read_header
from edgeq.errors import BadData
from edgeq.io.limits import check_regular
from edgeq.io.run_files import note_read
from edgeq.numerics.arrays import AnyArray

#: largest size of one sample of one input: 8,000 x 8,000 pixels of one float each. More means a
#: damaged or hostile header, whose few bytes on disk would unpack to all memory
MAX_SAMPLE_BYTES = 1 << 28
_CHUNK = 1 << 20


@dataclass(frozen=True)
class NpyArray:
    """One array on disk."""

    #: the .npy or .npz file
    path: Path
    #: member of the .npz file; None: the file is a .npy file
    member: str | None
    #: what the file declares, already checked against its size
    header: NpyHeader

    @property
    def where(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}, array `{self.member.removesuffix('.npy')}`"

    def rows(self, start: int, stop: int, archive: zipfile.ZipFile | None = None) -> Iterator[AnyArray]:
        """Yield rows start..stop-1 along axis 0; see `picked`."""
        return self.picked(range(start, stop), archive)

    def picked(self, indices: Sequence[int], archive: zipfile.ZipFile | None = None) -> Iterator[AnyArray]:
        """Yield these rows along axis 0, in ascending order, in the dtype of the file.

        The file is read once, up to the last of them: what is in a .npz has to be read to be
        skipped. archive: the .npz file, where it is open already. Raises BadData when the bytes are
        damaged or missing, or when a row is too large.
        """
        shape, dtype = self.header.shape[1:], self.header.dtype
        size = math.prod(shape) * dtype.itemsize
        _check_size(size, self.where)
        with _stream(self.path, self.member, self.where, archive) as stream:
            _skip(stream, self.header.offset, self.where)
            behind = 0
            for index in indices:
                _skip(stream, (index - behind) * size, self.where)
                behind = index + 1
                yield np.frombuffer(_read(stream, size, self.where), dtype).reshape(shape)

    def whole(self, most: int = MAX_SAMPLE_BYTES) -> AnyArray:
        """The whole array, for a file that is one sample or holds labels.

        Raises BadData, also where it has more bytes than `most`.
        """
        _check_size(self.header.nbytes, self.where, most)
        with _stream(self.path, self.member, self.where) as stream:
            _skip(stream, self.header.offset, self.where)
            return np.frombuffer(_read(stream, self.header.nbytes, self.where), self.header.dtype).reshape(self.header.shape)


def npy_array(path: Path) -> NpyArray:
    """The array of a .npy file, of which only the header is read. Raises BadData."""
    where = str(path)
    note_read(path)
    with _stream(path, None, where) as stream:
        header = read_header(stream, where)
    check_declared(header, path.stat().st_size, where)
    return NpyArray(path, None, header)


def npz_arrays(path: Path) -> dict[str, NpyArray]:
    """The arrays of an .npz file by name, in file order; only their headers are read.

    Raises BadData.
    """
    note_read(path)
    with open_archive(path) as archive:
        assert archive is not None
        found: dict[str, NpyArray] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in found:
                raise BadData(f"The array `{name}` is in the file twice.", str(path), SAVE_AGAIN)
            if name != entry.filename:
                found[name] = _npz_member(path, entry, archive)
        return found


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile | None]:
    """An .npz file, opened once for all that is read of it; None for other files.

    Opening reads the list of all members, which is long where there are thousands. Raises BadData.
    """
    if path.suffix.lower() != ".npz":
        yield None
        return
    _check_regular(path)
    with damage_as_bad_data(str(path)), zipfile.ZipFile(path) as archive:
        yield archive


def _npz_member(path: Path, entry: zipfile.ZipInfo, archive: zipfile.ZipFile) -> NpyArray:
    where = f"{path}, array `{entry.filename.removesuffix('.npy')}`"
    with _stream(path, entry.filename, where, archive) as stream:
        header = read_header(stream, where)
    check_declared(header, entry.file_size, where)
    return NpyArray(path, entry.filename, header)


@contextmanager
def damage_as_bad_data(where: str) -> Iterator[None]:
    """Turn what zipfile and the decompressors raise on an unusable file into BadData.

    The file may be damaged, encrypted or unreadable.
    """
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError, KeyError, struct.error) as problem:
        raise BadData(
            f"The file is damaged or cannot be read: {problem}", where, "Make the file again, or check its permissions."
        ) from None


@contextmanager
def _stream(path: Path, member: str | None, where: str, archive: zipfile.ZipFile | None = None) -> Iterator[IO[bytes]]:
    with damage_as_bad_data(where):
        if member is None:
            _check_regular(path)
            with path.open("rb") as plain:
                yield plain
        elif archive is not None:
            with archive.open(member) as inner:
                yield inner
        else:
            with zipfile.ZipFile(path) as archive, archive.open(member) as inner:
                yield inner


def _check_regular(path: Path) -> None:
    try:
        check_regular(path)
    except (ValueError, OSError) as problem:
        raise BadData(f"The data cannot be read: {problem}", str(path), "Give a regular file.") from None


def _check_size(size: int, where: str, most: int = MAX_SAMPLE_BYTES) -> None:
    if size > most:
        raise BadData(f"One sample has {size} bytes; the limit is {most}.", where, "Check the shape: axis 0 must be the sample.")


def _read(stream: IO[bytes], size: int, where: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BadData("The file ends before its declared size.", where, "The file is truncated or was altered: make it again.")
    return data


def _skip(stream: IO[bytes], size: int, where: str) -> None:
    while size > 0:
        size -= len(_read(stream, min(size, _CHUNK), where))
