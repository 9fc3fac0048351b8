"""Read what a .npy file declares about its array; nothing of it is trusted."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import IO

import numpy as np

from edgeq.errors import BadData

#: a real header has about 120 bytes; numpy's own limit is 10,000
MAX_HEADER = 10_000
SAVE_AGAIN = "Save the array again with numpy.save or numpy.savez."


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


def read_header(stream: IO[bytes], where: str) -> NpyHeader:
    """Parse a .npy header (numpy.lib.format, versions 1 and 2); its length is not trusted.

    Raises BadData.
    """
    magic = stream.read(np.lib.format.MAGIC_LEN)
    width = {b"\1\0": 2, b"\2\0": 4}.get(magic[-2:], 0)
    length = stream.read(width)
    size = int.from_bytes(length, "little")
    if not magic.startswith(np.lib.format.MAGIC_PREFIX) or len(length) != width or not 0 < size <= MAX_HEADER:
        raise BadData(f"This is not an array in numpy's format (a header of {size} bytes).", where, SAVE_AGAIN)
    text = io.BytesIO(length + stream.read(size))
    parse = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = parse(text, max_header_size=MAX_HEADER)
    except Exception as problem:  # numpy passes the text to Python's own parser, which raises ten different kinds
        raise BadData(f"The header of the array cannot be read: {str(problem)[:200]}", where, SAVE_AGAIN) from None
    if dtype.hasobject:
        raise BadData(
            "The array holds Python objects (a pickle), which could run code when loaded.",
            where,
            "Save numbers: numpy.asarray(x, dtype=...).",
        )
    if dtype.kind not in "biufUV" or dtype.names is not None or dtype.subdtype is not None:
        raise BadData(f"The array's element type {dtype} is not a number.", where, "Save booleans, integers or floats.")
    if any(dim < 0 for dim in shape):
        raise BadData(f"The array declares the shape {shape}.", where, SAVE_AGAIN)
    if fortran and len(shape) > 1:
        fix = "Save it in C order: numpy.ascontiguousarray(x)."
        raise BadData("The array is stored column by column, so its samples cannot be read one after the other.", where, fix)
    return NpyHeader(dtype, tuple(shape), len(magic) + width + size)


def check_declared(header: NpyHeader, size: int, where: str) -> None:
    """Check that header and elements fill exactly the `size` bytes that the container has.

    Otherwise either the header or the container is wrong.
    """
    needed = header.offset + header.nbytes
    if needed != size:
        what = f"The array declares shape {header.shape} of {header.dtype} ({needed} bytes), but the file has {size} bytes for it."
        raise BadData(what, where, "The file is truncated or was altered: make it again.")
