"""The same bytes for the same model in ORT format: onnxruntime writes one table of the file in the
order of a hash map.

The table (KernelTypeStrResolver of ort.fbs: which kernels' type names stand for which arguments) is
sorted, but the strings, vectors and tables that it is made of lie in the file as the hash map
handed them out, and that order changes with every run. They are written last, so before everything
else in the file, and nothing else refers to them: here they are laid out anew, in the order of the
table.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: fields of InferenceSession, and of the three kinds of tables below it: the slots that refer to
#: something
_MODEL, _RESOLVER = 1, 3


@dataclass(frozen=True)
class _Part:
    """A piece of the file. refers: places in it that hold the distance, upwards, to another; table:
    it begins with one to its vtable.

    text: a string, which several parts may share.
    """

    start: int
    size: int
    refers: tuple[int, ...] = ()
    table: bool = False
    text: bool = False


def stable(data: bytes) -> bytes:
    """The file with that table's parts in the table's own order; unchanged when it is not built as
    expected.
    """
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
        for part in sorted(found, key=lambda part: part.text):  # strings last: behind all that refer to them
            if part.start < self.model:  # what lies behind was shared with the model, and stays
                self.parts.setdefault(part.start, part)

    def rewritten(self) -> bytes:
        """Every part moved to its place in the order of the walk; distances between them follow."""
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
        """Of the resolver, every operator, type name and argument: the tables and what they are
        made of, each before its own.
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
        """Where a table keeps a field. Raises IndexError for one that it leaves out."""
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
