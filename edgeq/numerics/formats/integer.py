"""int8 and int4: whole numbers with one scale a channel.

int4 has all sixteen codes, -8 as well: its rows are mostly those of few numbers, whose largest is
as often below 0 as above. int8 leaves -128 out, as kernels of 8-bit weights ask for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Format, Level, Room, Stored
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.scales import scales_for


@dataclass(frozen=True)
class Integers(Format):
    """Codes up to 2^(bits - 1) - 1, times the scale of their channel."""

    def codes(self, room: Room) -> Codes:
        most = 2 ** (self.bits - 1) - 1
        limit = room.limit if most > room.largest else None  # short codes cannot reach it
        return Codes(-most - int(self.bits < 8), most, () if limit is None else room.pairs, limit)

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:  # noqa: ARG002  (the signature of Format)
        return (np.asarray(scales_for(rows, importance, self.codes(room), room.shared, room.allowed), np.float32),)

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:  # noqa: ARG002  (the signature of Format)
        return np.asarray(scales[0][..., None], np.float32)

    def codes8(self, stored: Stored) -> ChannelGrid:
        return ChannelGrid(np.asarray(stored.scales[0], np.float32), stored.elements)

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:
        low, high = -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        inside = not grid.codes.size or (grid.codes.min() >= low and grid.codes.max() <= high)
        return Stored(self, kernel, grid.codes, (grid.scale,)) if inside else None


def _integers(bits: int) -> Format:
    return Integers(f"int{bits}", bits, (Level("channel", 32, "float32"),), "int8")


FAMILIES = (
    Family("int8", "a byte, one scale a channel", lambda _: _integers(8)),
    Family("int4", "four bits, one scale a channel", lambda _: _integers(4), stored_by="int4"),
)
