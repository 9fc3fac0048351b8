"""Keep what a model gave in a temporary file without a name, and give it back as mapped arrays."""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np

from edgeq.errors import BadData
from edgeq.numerics.arrays import AnyArray


class Kept:
    """The arrays of one output, run after run, all of one element type."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the arrays)
        self._shapes: list[tuple[int, ...]] = []
        self._samples: list[int] = []
        self._dtype: np.dtype[np.generic] = np.dtype(np.float32)

    def append(self, array: AnyArray, samples: int) -> None:
        """Keep the array of one run of so many samples. Raises BadData where the disk is full."""
        self._dtype = array.dtype
        self._shapes.append(array.shape)
        self._samples.append(samples)
        try:
            self._file.write(np.ascontiguousarray(array).tobytes())
        except OSError as problem:
            fix = "Make room there, set TMPDIR to another folder, or use fewer samples."
            raise BadData(f"The outputs cannot be kept on disk: {problem}", tempfile.gettempdir(), fix) from None

    def whole(self) -> AnyArray | list[AnyArray]:
        """One array with the samples along axis 0, or else the arrays of the runs in a list."""
        self._file.flush()
        size = self._file.tell()
        raw: AnyArray = np.memmap(self._file, self._dtype, "r") if size else np.zeros(0, self._dtype)
        in_rows = all(shape and shape[0] == count for shape, count in zip(self._shapes, self._samples, strict=True))
        if in_rows and len({shape[1:] for shape in self._shapes}) == 1:
            return raw.reshape(sum(self._samples), *self._shapes[0][1:])
        found, start = list[AnyArray](), 0
        for shape in self._shapes:
            count = int(np.prod(shape, dtype=np.int64))
            found.append(raw[start : start + count].reshape(shape))
            start += count
        return found
