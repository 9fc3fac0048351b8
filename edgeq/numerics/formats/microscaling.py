"""The OCP formats MXFP4, MXFP6, MXFP8 and MXINT8: elements whose blocks of 32 share a power of two.

Their codes are those of codecs/shared_exponents.py. A block may have any scale, and gets the
specification's or the next larger one, whichever errs less: one of them is that of each rule there.

Twice an element of MXFP4 is a whole number up to 12, so a channel whose scales lie within a factor
of 2^3 is a channel of int8 codes, and integer kernels run; smaller scales are raised to fit. The
scale of the channel is then a power of two, and the exponents of its blocks are relative to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F32, F64, I64, AnyArray
from edgeq.numerics.formats.blocks import cut, joined, spread
from edgeq.numerics.formats.codecs.elements import ELEMENTS, Element, ElementName
from edgeq.numerics.formats.codecs.shared_exponents import BIAS, BLOCK, SCALE_BITS, block_exponents
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Compute, Format, Level, Room, Stored
from edgeq.numerics.rounding.codes import Codes, Snap

#: numbers of a weight that are tried at a time: they stay in a core's cache
AT_ONCE = 1 << 16
#: exponents of two within which a scale and its reciprocal are ordinary float32 numbers
LEAST, MOST = -120, 120


@dataclass(frozen=True, eq=False)
class ElementCodes(Codes):
    """Codes that are the numbers of a small type; ties go to the even code."""

    element: Element = ELEMENTS["e2m1"]

    def all_nearest(self, wanted: F32) -> F32:
        """The nearest number of the type to each number of [G, C, K]."""
        found = self.element.nearest(wanted).astype(np.float32)
        return found if self.kept is None else found * self.kept

    def nearest(self, wanted: NDArray[np.floating], low: AnyArray | float, high: AnyArray | float) -> AnyArray:
        """The nearest number of the type to each number of one column, moved into low..high."""
        return self.element.nearest(np.clip(wanted, low, high)).astype(np.float32)


@dataclass(frozen=True)
class Microscaling(Format):
    """Elements of few bits with one E8M0 scale for 32."""

    element: Element = ELEMENTS["e2m1"]
    #: two tables are looked up
    more_bytes: ClassVar[int] = 500

    def codes(self, room: Room) -> Codes:  # noqa: ARG002  (the signature of Format)
        most = math.ceil(self.element.largest)  # the element itself ends a little before
        return ElementCodes(-most, most, (), None, element=self.element)

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:
        blocks, costs = cut(rows, kernel, BLOCK), cut(importance.astype(np.float32), kernel, BLOCK)
        found = np.stack([by_rows(self._exponents, cost, group) for cost, group in zip(costs, blocks, strict=True)])
        if self.compute == "float":
            return ((found + BIAS).astype(np.uint8),)
        span = (room.largest // int(self.element.largest * self.units)).bit_length() - 1
        channel, lowest = channel_scales(found, span, self.element.mantissa, room.shared, room.allowed)
        return channel, np.clip(found - lowest[..., None], 0, span).astype(np.uint8)

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:
        if self.compute == "float":
            return np.asarray(np.ldexp(np.float32(1), spread(scales[0].astype(np.int64), kernel, BLOCK) - BIAS), np.float32)
        return np.asarray(scales[0][..., None] * self._factors(scales[1], kernel), np.float32)

    def codes8(self, stored: Stored) -> ChannelGrid | None:
        if self.compute == "float":
            return None
        channel, exponents = stored.scales
        return ChannelGrid(channel, stored.elements * self._factors(exponents, stored.kernel))

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:
        if self.compute == "float":
            return None
        blocks = cut(grid.codes.astype(np.int64), kernel, BLOCK)
        exponents = np.full(blocks.shape[:-1], -1)
        for tried in range((127 // int(self.element.largest * self.units)).bit_length() - 1, -1, -1):  # the smallest is the last
            numbers = blocks / (self.units << tried)
            exponents = np.where(np.all(self.element.nearest(numbers) == numbers, axis=-1), tried, exponents)
        if np.any(exponents < 0):
            return None
        elements = joined(np.ldexp(blocks / self.units, -exponents[..., None]), kernel).astype(np.float32)
        return Stored(self, kernel, elements, (grid.scale, exponents.astype(np.uint8)))

    def raised(self, rows: F32, scale: F32, kernel: tuple[int, ...]) -> int:
        """How many blocks of rows [G, C, K] have more than their own exponent with int8 compute.

        scale: of the channels, [G, C].
        """
        return raised_blocks(cut(rows, kernel, BLOCK), scale, self.element.mantissa, self._exponents)

    @property
    def units(self) -> int:
        """int8 codes that an element of 1.0 takes where its block has the smallest scale."""
        return 1 << self.element.mantissa

    def _factors(self, exponents: AnyArray, kernel: tuple[int, ...]) -> F32:
        return np.ldexp(np.float32(self.units), spread(exponents.astype(np.int64), kernel, BLOCK))

    def _exponents(self, costs: F32, blocks: F32) -> I64:
        """The exponent of each block [C, B], and 1 more where that errs less."""
        lower = block_exponents(blocks.reshape(-1, BLOCK), self.element).reshape(blocks.shape[:2])
        errors = []
        for exponents in (lower, lower + 1):
            scale = np.ldexp(1.0, exponents[..., None])
            rest = self.element.nearest(blocks / scale) * scale - blocks
            errors.append((rest * rest * costs).sum(-1))
        return np.asarray(np.minimum(lower + (errors[1] < errors[0]), BIAS), np.int64)


def by_rows(function: Callable[..., AnyArray], costs: F32, *arrays: AnyArray) -> AnyArray:
    """What `function` says of the costs of blocks [B, n] and of arrays [C, ...], the first of them
    blocks [C, B, n], for some rows at a time.
    """
    step = max(1, AT_ONCE // max(arrays[0][0].size, 1))
    starts = range(0, len(arrays[0]), step)
    return np.concatenate([function(costs, *(array[start : start + step] for array in arrays)) for start in starts])


def raised_blocks(blocks: F32, scale: F32, places: int, own: Callable[[F32, F32], I64]) -> int:
    """How many blocks [G, C, B, n], but those of zeros, have a smaller exponent of their own than
    channels of these scales [G, C] leave them. places: as for channel_scales.
    """
    lowest = np.frexp(scale)[1].astype(np.int64) - 1 + places
    costs = np.ones(blocks.shape[2:], np.float32)
    found = np.stack([by_rows(own, costs, group) for group in blocks])
    return int(np.sum((found < lowest[..., None]) & np.any(blocks, axis=-1)))


def channel_scales(exponents: I64, span: int, places: int, shared: bool, allowed: Snap) -> tuple[F32, I64]:
    """The scale [G, C] of channels whose blocks have these exponents [G, C, B], a power of two, and
    the least exponent that a block then has.

    span: how far the exponents of a channel may lie apart. places: binary places of the units of an
    element. allowed: see Room.
    """
    lowest = exponents.max(-1) - span
    empty = exponents.max(-1) <= -BIAS
    if shared:
        lowest = np.full_like(lowest, lowest.max(initial=LEAST))
    lowest = np.where(empty & (not shared), 0, np.clip(lowest, LEAST, MOST))
    wanted = np.ldexp(np.float32(1), lowest - places).astype(np.float32)
    found = allowed(wanted)
    fraction, exponent = np.frexp(found)  # found = fraction * 2^exponent: up where larger is allowed, else down
    power = np.where((fraction > 0.5) & (found > wanted), exponent, exponent - 1).astype(np.int64)
    return np.ldexp(np.float32(1), power).astype(np.float32), power + places


def _format(name: str, element: ElementName, compute: Compute) -> Format:
    blocks = Level(BLOCK, SCALE_BITS, "power of two")
    levels = (Level("channel", 32, "power of two, float32"), blocks) if compute == "int8" else (blocks,)
    return Microscaling(name, ELEMENTS[element].bits, levels, compute, ELEMENTS[element])


def _family(name: str, element: ElementName, compute: Compute, about: str) -> Family:
    return Family(name, f"{about}, a power of two for 32 (OCP MX)", lambda _: _format(name, element, compute), stored_by="microscaling")


FAMILIES = (
    _family("mxfp4", "e2m1", "int8", "four-bit floats"),
    _family("mxfp6_e2m3", "e2m3", "float", "six-bit floats, 2 bits of exponent"),
    _family("mxfp6_e3m2", "e3m2", "float", "six-bit floats, 3 bits of exponent"),
    _family("mxfp8_e4m3", "e4m3", "float", "eight-bit floats, 4 bits of exponent"),
    _family("mxfp8_e5m2", "e5m2", "float", "eight-bit floats, 5 bits of exponent"),
    _family("mxint8", "int8", "float", "bytes"),
)
