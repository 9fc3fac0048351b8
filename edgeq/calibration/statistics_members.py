"""Read the arrays of a statistics file, whose declared sizes are compared before any is read."""

from __future__ import annotations

import json
import zipfile

import numpy as np

from edgeq.data.arrays.npy_header import read_header
from edgeq.numerics.arrays import AnyArray

#: array in the file -> the dtypes that it may have; counts take the smallest that holds them
_MEMBERS: dict[str, tuple[str, ...]] = {
    "header": ("|u1",),
    "index": ("<i8",),
    "samples": ("<i8",),
    "sample_low": ("<f4",),
    "sample_high": ("<f4",),
    "counts": ("|u1", "<u2", "<u4", "<u8"),
}
#: a file that takes more memory is refused; 300 tensors and 100,000 samples need half of it
MAX_BYTES = 1 << 30
#: the most bytes of a header
MAX_HEADER = 1 << 24


def arrays_in(archive: zipfile.ZipFile) -> dict[str, AnyArray]:
    """The arrays of the file; what one of them says of others is compared before they are read.

    Raises ValueError and BadData for a damaged file, and what zipfile and json raise.
    """
    if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
    arrays = {"header": _member(archive, "header", None)}
    arrays["index"] = _member(archive, "index", len(json.loads(arrays["header"].tobytes())["tensors"]))
    samples, bins = (sum(arrays["index"][:, column].tolist()) for column in (0, 4))
    for name, rows in (("samples", samples), ("sample_low", samples), ("sample_high", samples), ("counts", bins)):
        arrays[name] = _member(archive, name, rows)
    return arrays


def _member(archive: zipfile.ZipFile, name: str, rows: int | None) -> AnyArray:
    """rows: how many the member must have; None: as many as a header may have bytes."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        header = read_header(file, name)
        inner = (5,) if name == "index" else ()
        if header.dtype.str not in _MEMBERS[name] or len(header.shape) != 1 + len(inner) or header.shape[1:] != inner:
            raise ValueError(f"unexpected dtype or shape of {name}")
        if header.offset + header.nbytes != entry.file_size or header.shape[0] != (header.shape[0] if rows is None else rows):
            raise ValueError(f"the size of {name} is not what it says")
        if (rows is None and header.nbytes > MAX_HEADER) or (name == "counts" and header.shape[0] * 8 > MAX_BYTES):
            raise ValueError("it is larger than statistics can be")
        body = file.read(header.nbytes + 1)  # to its end, so that its checksum is verified
    array: AnyArray = np.frombuffer(body, header.dtype).reshape(header.shape)
    return array
