"""Read .npy and .npz arrays row by row, without trusting what their headers declare.

Data may be stored or deflated; an array of samples is never held in memory as a whole.
"""

from __future__ import annotations

import io
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from edgeq.errors import BadData
from edgeq.numerics.arrays import AnyArray

#: a real header has about 120 bytes; numpy's own limit is 10,000
MAX_HEADER = 10_000
#: largest size of one sample of one input; more means a damaged or hostile header
MAX_SAMPLE_BYTES = 1 << 30
_CHUNK = 1 << 20
_SAVE_AGAIN = "Save the array again with numpy.save or numpy.savez."


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy file or a member of an .npz file declares about its array."""

    #: element type
    dtype: np.dtype[np.generic]
    #: sizes; axis 0 is the sample, unless the file is one sample
    shape: tuple[int, ...]
    #: number of bytes before the first element
    offset: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


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

    def rows(self, start: int, stop: int) -> Iterator[AnyArray]:
        """Yield rows start..stop-1 along axis 0, in the dtype of the file.

        Raises BadData when the bytes are damaged or missing, or when a row is too large.
        """
        shape, dtype = self.header.shape[1:], self.header.dtype
        size = math.prod(shape) * dtype.itemsize
        _check_size(size, self.where)
        with _stream(self.path, self.member, self.where) as stream:
            _skip(stream, self.header.offset + start * size, self.where)
            for _ in range(start, stop):
                yield np.frombuffer(_read(stream, size, self.where), dtype).reshape(shape)

    def whole(self) -> AnyArray:
        """The whole array, for a file that is one sample or holds labels. Raises BadData."""
        _check_size(self.header.nbytes, self.where)
        with _stream(self.path, self.member, self.where) as stream:
            _skip(stream, self.header.offset, self.where)
            return np.frombuffer(_read(stream, self.header.nbytes, self.where), self.header.dtype).reshape(self.header.shape)


def npy_array(path: Path) -> NpyArray:
    """The array of a .npy file, of which only the header is read. Raises BadData."""
    where = str(path)
    with _stream(path, None, where) as stream:
        header = _read_header(stream, where)
    _check_declared(header, path.stat().st_size, where)
    return NpyArray(path, None, header)


def npz_arrays(path: Path) -> dict[str, NpyArray]:
    """The arrays of an .npz file by name, in file order; only their headers are read.

    Raises BadData.
    """
    with damage_as_bad_data(str(path)), zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
    names = [entry.filename for entry in entries]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise BadData(f"The array `{twice.removesuffix('.npy')}` is in the file twice.", str(path), _SAVE_AGAIN)
    return {entry.filename.removesuffix(".npy"): _npz_member(path, entry) for entry in entries}


def _npz_member(path: Path, entry: zipfile.ZipInfo) -> NpyArray:
    where = f"{path}, array `{entry.filename.removesuffix('.npy')}`"
    with _stream(path, entry.filename, where) as stream:
        header = _read_header(stream, where)
    _check_declared(header, entry.file_size, where)
    return NpyArray(path, entry.filename, header)


@contextmanager
def damage_as_bad_data(where: str) -> Iterator[None]:
    """Turn what zipfile and the decompressors raise on an unusable file into BadData.

    The file may be damaged, encrypted or unreadable.
    """
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as problem:
        raise BadData(
            f"The file is damaged or cannot be read: {problem}", where, "Make the file again, or check its permissions."
        ) from None


@contextmanager
def _stream(path: Path, member: str | None, where: str) -> Iterator[IO[bytes]]:
    with damage_as_bad_data(where):
        if member is None:
            with path.open("rb") as plain:
                yield plain
        else:
            with zipfile.ZipFile(path) as archive, archive.open(member) as inner:
                yield inner


def _read_header(stream: IO[bytes], where: str) -> NpyHeader:
    """Parse a .npy header (numpy.lib.format, versions 1 and 2); its length is not trusted."""
    magic = stream.read(np.lib.format.MAGIC_LEN)
    width = {b"\1\0": 2, b"\2\0": 4}.get(magic[-2:], 0)
    length = stream.read(width)
    size = int.from_bytes(length, "little")
    if not magic.startswith(np.lib.format.MAGIC_PREFIX) or len(length) != width or not 0 < size <= MAX_HEADER:
        raise BadData(f"This is not an array in numpy's format (a header of {size} bytes).", where, _SAVE_AGAIN)
    text = io.BytesIO(length + stream.read(size))
    parse = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = parse(text, max_header_size=MAX_HEADER)
    except Exception as problem:  # numpy passes the text to Python's own parser, which raises ten different kinds
        raise BadData(f"The header of the array cannot be read: {str(problem)[:200]}", where, _SAVE_AGAIN) from None
    if dtype.hasobject:
        raise BadData(
            "The array holds Python objects (a pickle), which could run code when loaded.",
            where,
            "Save numbers: numpy.asarray(x, dtype=...).",
        )
    if dtype.kind not in "biufUV" or dtype.names is not None or dtype.subdtype is not None:
        raise BadData(f"The array's element type {dtype} is not a number.", where, "Save booleans, integers or floats.")
    if any(dim < 0 for dim in shape):
        raise BadData(f"The array declares the shape {shape}.", where, _SAVE_AGAIN)
    if fortran and len(shape) > 1:
        fix = "Save it in C order: numpy.ascontiguousarray(x)."
        raise BadData("The array is stored column by column, so its samples cannot be read one after the other.", where, fix)
    return NpyHeader(dtype, tuple(shape), len(magic) + width + size)


def _check_declared(header: NpyHeader, size: int, where: str) -> None:
    """Check that header and elements fill exactly the `size` bytes that the container has.

    Otherwise either the header or the container is wrong.
    """
    needed = header.offset + header.nbytes
    if needed != size:
        what = f"The array declares shape {header.shape} of {header.dtype} ({needed} bytes), but the file has {size} bytes for it."
        raise BadData(what, where, "The file is truncated or was altered: make it again.")


def _check_size(size: int, where: str) -> None:
    if size > MAX_SAMPLE_BYTES:
        raise BadData(
            f"One sample has {size} bytes; the limit is {MAX_SAMPLE_BYTES}.", where, "Check the shape: axis 0 must be the sample."
        )


def _read(stream: IO[bytes], size: int, where: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BadData("The file ends before its declared size.", where, "The file is truncated or was altered: make it again.")
    return data


def _skip(stream: IO[bytes], size: int, where: str) -> None:
    while size > 0:
        size -= len(_read(stream, min(size, _CHUNK), where))
