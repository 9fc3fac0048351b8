"""Make files in ORT format reproducible: the same model gives the same bytes.

onnxruntime writes one table, KernelTypeStrResolver of ort.fbs, from a hash map; it says which type
names of kernels stand for which arguments. The table itself is sorted, but the strings, vectors and
tables that it consists of lie in the file in the order of the hash map, which changes with every
run. They are written last and therefore stand before everything else in the file, and nothing else
refers to them. This file lays them out anew, in the order of the table.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: slots of the fields `model` and `kernel type resolver` in the root table, InferenceSession
_MODEL, _RESOLVER = 1, 3


@dataclass(frozen=True)
class _Part:
    """A piece of the file."""

    #: offset in the file, in bytes
    start: int
    #: length in bytes
    size: int
    #: offsets of its references; each holds the distance, upwards, to another part
    refers: tuple[int, ...] = ()
    #: whether it begins with the distance to its vtable
    table: bool = False
    #: whether it is a string, which several parts may share
    text: bool = False


def stable(data: bytes) -> bytes:
    """The file with the parts in the table's order; unchanged when it is not built as expected."""
    try:
        return _Layout(data).rewritten()
    except (struct.error, IndexError, ValueError):
        return data


class _Layout:
    def __init__(self, data: bytes) -> None:
        self.data = data
        root = self._ref(0)
        self.model = self._ref(self._slot(root, _MODEL))
        self.parts: dict[int, _Part] = {}
        found = list(self._resolver(self._ref(self._slot(root, _RESOLVER))))
        for part in sorted(found, key=lambda part: part.text):  # strings last, behind everything that refers to them
            if part.start < self.model:  # what lies behind it is shared with the model and stays
                self.parts.setdefault(part.start, part)

    def rewritten(self) -> bytes:
        """Move every part to its place in the order of the walk, and adjust the distances."""
        low, high = min(self.parts), max(part.start + part.size for part in self.parts.values())
        moved, at = {}, low
        for start, part in self.parts.items():
            moved[start] = at
            at += (part.size + 3) & ~3
        if at > (high + 3) & ~3 or at > self.model:
            return self.data
        out = bytearray(self.data)
        out[low:high] = bytes(high - low)
        for start, part in self.parts.items():
            new = moved[start]
            out[new : new + part.size] = self.data[start : start + part.size]
            if part.table:
                vtable = start - self._signed(start)
                struct.pack_into("<i", out, new, new - moved.get(vtable, vtable))
            for place in part.refers:
                target = self._ref(place)
                here = new + place - start
                struct.pack_into("<I", out, here, moved.get(target, target) - here)
        root = self._ref(0)
        slot, resolver = self._slot(root, _RESOLVER), self._ref(self._slot(root, _RESOLVER))
        struct.pack_into("<I", out, slot, moved[resolver] - slot)
        return bytes(out)

    def _resolver(self, start: int) -> Iterator[_Part]:
        """Yield every operator, type name and argument of the resolver.

        These are the tables and the parts that they consist of, each before its own parts.
        """
        yield from self._table(start, (0,))
        for operator in self._vector(self._ref(self._slot(start, 0))):
            yield operator
            for place in operator.refers:
                entry = self._ref(place)
                yield from self._table(entry, (0, 1))
                yield self._string(self._ref(self._slot(entry, 0)))
                for names in self._vector(self._ref(self._slot(entry, 1))):
                    yield names
                    for name in names.refers:
                        yield from self._name(self._ref(name))

    def _name(self, start: int) -> Iterator[_Part]:
        yield from self._table(start, (0, 1))
        yield self._string(self._ref(self._slot(start, 0)))
        for arguments in self._vector(self._ref(self._slot(start, 1))):
            yield arguments
            for place in arguments.refers:
                yield from self._table(self._ref(place), ())

    def _table(self, start: int, slots: tuple[int, ...]) -> Iterator[_Part]:
        vtable = start - self._signed(start)
        yield _Part(start, struct.unpack_from("<H", self.data, vtable + 2)[0], tuple(self._slot(start, slot) for slot in slots), True)
        yield _Part(vtable, struct.unpack_from("<H", self.data, vtable)[0])

    def _vector(self, start: int) -> Iterator[_Part]:
        count = struct.unpack_from("<I", self.data, start)[0]
        yield _Part(start, 4 + 4 * count, tuple(start + 4 + 4 * place for place in range(count)))

    def _string(self, start: int) -> _Part:
        return _Part(start, 4 + struct.unpack_from("<I", self.data, start)[0] + 1, text=True)

    def _slot(self, start: int, number: int) -> int:
        """The offset at which a table keeps a field. Raises IndexError when the field is absent."""
        vtable = start - self._signed(start)
        if 4 + 2 * number >= struct.unpack_from("<H", self.data, vtable)[0]:
            raise IndexError(number)
        distance: int = struct.unpack_from("<H", self.data, vtable + 4 + 2 * number)[0]
        if distance == 0:
            raise IndexError(number)
        return start + distance

    def _ref(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self.data, place)[0])

    def _signed(self, place: int) -> int:
        return int(struct.unpack_from("<i", self.data, place)[0])
