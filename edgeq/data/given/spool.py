"""Keep the items of an iterable in a temporary file, so that they can be read again and again.

The file has no name in its folder: nothing is left of it, however the process ends.
"""

from __future__ import annotations

import math
import tempfile
import threading
import weakref
from array import array as numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from edgeq.data.given.items import Item, items_of
from edgeq.errors import BadData
from edgeq.numerics.arrays import I64, AnyArray


@dataclass(frozen=True)
class Kept:
    """One array in the file."""

    #: its first byte, counted from the first one of its item
    offset: int
    #: its element type
    dtype: np.dtype[np.generic]
    #: its shape, with the axis of samples where it is a batch
    shape: tuple[int, ...]


@dataclass(eq=False)
class Spool:
    """Items on disk; 16 bytes of each are kept in memory, where all have the same shapes."""

    #: the file, which is closed and gone with the last reader
    file: IO[bytes]
    #: the arrays of each item, by name or by place; items of one form that follow each other share
    #: a mapping
    items: list[Mapping[str | int, Kept]] = field(default_factory=list)
    #: the first byte of each item
    starts: numbers[int] = field(default_factory=lambda: numbers("q"))
    _end: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __reduce__(self) -> tuple[type[Spool], tuple[object, ...]]:
        """A copy elsewhere has the content of the file, in a file of its own."""
        content = np.asarray(np.memmap(self.file, np.uint8, "r", shape=(self._end,))) if self._end else np.zeros(0, np.uint8)
        return _Copy, (content, self.items, np.array(self.starts, np.int64))

    def append(self, item: Item) -> None:
        """Write one item behind the others. Raises BadData where the folder is full."""
        kept: dict[str | int, Kept] = {}
        start = self._end
        for name, array in item.items():
            bytes_ = np.ascontiguousarray(array)
            kept[name] = Kept(self._end - start, bytes_.dtype, array.shape)
            self._write(bytes_)
        self.items.append(self.items[-1] if self.items and self.items[-1] == kept else kept)
        self.starts.append(start)

    def read(self, item: int, name: str | int, row: int | None = None) -> AnyArray:
        """An array of an item, or one row of it along axis 0."""
        kept = self.items[item][name]
        shape = kept.shape if row is None else kept.shape[1:]
        size = math.prod(shape) * kept.dtype.itemsize
        with self._lock:
            self.file.seek(self.starts[item] + kept.offset + (row or 0) * size)
            data = self.file.read(size)
        return np.frombuffer(data, kept.dtype).reshape(shape)

    def _write(self, array: AnyArray) -> None:
        try:
            self.file.write(array.tobytes())
            self.file.flush()
        except OSError as problem:
            fix = "Make room there, set TMPDIR to another folder, or use fewer samples."
            raise BadData(f"The samples cannot be kept on disk: {problem}", tempfile.gettempdir(), fix) from None
        self._end += array.nbytes


class _Copy(Spool):
    """A spool that was made elsewhere."""

    def __init__(self, content: AnyArray, items: list[Mapping[str | int, Kept]], starts: I64) -> None:
        super().__init__(tempfile.TemporaryFile(), items, numbers("q", starts.tolist()), len(content))  # noqa: SIM115  (it lives as long as its readers)
        self.file.write(content.data)
        self.file.flush()
        weakref.finalize(self, self.file.close)


def spooled(data: object, preprocess: Callable[[Any], object] | None, most: int | None) -> Spool:
    """Read an iterable once and keep its items.

    most: how many items are enough, each of which holds one sample at least; None: all. Raises
    BadData; what the user's own code raises is not changed.
    """
    spool = Spool(tempfile.TemporaryFile())  # noqa: SIM115  (it lives as long as its readers)
    weakref.finalize(spool, spool.file.close)
    for item in _first(items_of(data, preprocess), most):
        spool.append(item)
    return spool


def _first(items: Iterable[Item], most: int | None) -> Iterable[Item]:
    for index, item in enumerate(items, 1):
        yield item
        if index == most:  # stop before the next is asked for: making it may be costly
            return
