"""MX4, MX6 and MX9: whole numbers whose blocks of 16 share an exponent, and pairs a shift of a bit.

Their codes are those of codecs/microexponents.py. A block has the exponent of its largest number,
or the next one, and each pair the shift that errs less, so the error is at most that of the paper's
rule.

In MX4 and MX6, a channel whose exponents lie close enough is a channel of int8 codes, and integer
kernels run; smaller exponents are raised to fit. The scale of the channel is then a power of two,
and the exponents of its blocks are relative to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeq.numerics.arrays import F32, F64, I64, U8, AnyArray, Mask
from edgeq.numerics.formats.blocks import cut, joined, spread
from edgeq.numerics.formats.codecs.microexponents import BLOCK, MANTISSA, PAIR, block_exponents
from edgeq.numerics.formats.codecs.shared_exponents import BIAS, SCALE_BITS
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Compute, Format, Level, Room, Stored
from edgeq.numerics.formats.microscaling import by_rows, channel_scales, raised_blocks
from edgeq.numerics.rounding.codes import Codes


@dataclass(frozen=True)
class Microexponents(Format):
    """A sign and a few bits, an exponent for 16 and a shift for 2."""

    #: bits of an element without its sign
    mantissa: int = 2
    #: codes of 3 and 5 bits lie in two parts, shifts in a third
    more_bytes: ClassVar[int] = 1800

    def codes(self, room: Room) -> Codes:  # noqa: ARG002  (the signature of Format)
        return Codes(-self._most, self._most, (), None)

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:
        blocks, costs = cut(rows, kernel, BLOCK), cut(importance.astype(np.float32), kernel, BLOCK)
        exponents = np.stack([by_rows(self._exponents, cost, group) for cost, group in zip(costs, blocks, strict=True)])
        if self.compute == "float":
            return (exponents + BIAS).astype(np.uint8), self._shifts(blocks, costs, exponents)
        span = (room.largest // self._most).bit_length() - 2
        channel, lowest = channel_scales(exponents, span, self.mantissa, room.shared, room.allowed)
        exponents = np.clip(exponents, lowest[..., None], lowest[..., None] + span)
        return channel, (exponents - lowest[..., None] + 1).astype(np.uint8), self._shifts(blocks, costs, exponents)

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:
        if self.compute == "float":
            return np.ldexp(np.float32(1), self._powers(scales, kernel) - BIAS - (self.mantissa - 1))
        return np.asarray(np.ldexp(scales[0][..., None], self._powers(scales[1:], kernel)), np.float32)

    def codes8(self, stored: Stored) -> ChannelGrid | None:
        if self.compute == "float":
            return None
        codes = np.ldexp(stored.elements, self._powers(stored.scales[1:], stored.kernel))
        return ChannelGrid(stored.scales[0], np.asarray(codes, np.float32))

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:
        if self.compute == "float":
            return None
        pairs = cut(grid.codes.astype(np.int64), kernel, BLOCK).reshape(*grid.codes.shape[:2], -1, BLOCK // PAIR, PAIR)
        exponents, shifts = np.zeros(pairs.shape[:3], np.uint8), np.zeros(pairs.shape[:4], np.uint8)
        for tried in range((127 // self._most).bit_length() - 1, 0, -1):  # the smallest that fits is the last
            plain, shifted = self._holds(pairs, tried), self._holds(pairs, tried - 1)
            fits = np.all(plain | shifted, axis=-1)
            exponents = np.where(fits, np.uint8(tried), exponents)
            shifts = np.where(fits[..., None], ~plain, shifts).astype(np.uint8)
        if not exponents.all():
            return None
        powers = exponents[..., None, None].astype(np.int64) - shifts[..., None]
        elements = joined((pairs >> powers).reshape(*pairs.shape[:3], BLOCK), kernel).astype(np.float32)
        return Stored(self, kernel, elements, (grid.scale, exponents, shifts.reshape(*shifts.shape[:2], -1)))

    def raised(self, rows: F32, scale: F32, kernel: tuple[int, ...]) -> int:
        """As that of Microscaling."""
        return raised_blocks(cut(rows, kernel, BLOCK), scale, self.mantissa, self._exponents)

    @property
    def _most(self) -> int:
        return (1 << self.mantissa) - 1

    def _holds(self, pairs: I64, power: int) -> Mask:
        """Whether each pair [..., 2] of int8 codes is a pair of elements times 2^power."""
        return np.asarray(np.all((pairs % (1 << power) == 0) & (np.abs(pairs) <= self._most << power), axis=-1))

    def _powers(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> I64:
        """Exponent less shift of each column, as they are stored: [G, C, K]."""
        exponents, shifts = (scale.astype(np.int64) for scale in scales)
        return np.asarray(spread(exponents, kernel, BLOCK) - spread(shifts, kernel, PAIR), np.int64)

    def _exponents(self, costs: F32, blocks: F32) -> I64:
        """The exponent of each block [C, B], and 1 more where that errs less."""
        lower = block_exponents(blocks.reshape(-1, BLOCK))[0].reshape(blocks.shape[:2]).astype(np.int64) - BIAS
        below, own, above = (self._errors(costs, blocks, lower + unit) for unit in (-1, 0, 1))
        better = np.minimum(own, above).sum(-1) < np.minimum(below, own).sum(-1)
        return np.asarray(np.minimum(lower + better, BIAS), np.int64)

    def _shifts(self, blocks: F32, costs: F32, exponents: I64) -> U8:
        """The shift of each pair [G, C, P] that errs less."""
        parts = zip(costs, blocks, exponents, strict=True)
        found = np.stack([by_rows(self._better_shifts, cost, *group) for cost, *group in parts])
        return np.asarray(found.reshape(*exponents.shape[:2], -1), np.uint8)

    def _better_shifts(self, costs: F32, blocks: F32, exponents: I64) -> AnyArray:
        return self._errors(costs, blocks, exponents - 1) < self._errors(costs, blocks, exponents)

    def _errors(self, costs: F32, blocks: F32, units: I64) -> F64:
        """The squared error of each pair [C, B, n / 2] where its unit is 2^(units - (m - 1))."""
        scale = np.ldexp(1.0, units[..., None] - (self.mantissa - 1))
        rest = np.clip(np.rint(blocks / scale), -self._most, self._most) * scale - blocks
        return np.asarray((rest * rest * costs).reshape(*blocks.shape[:2], -1, PAIR).sum(-1))


def _format(name: str, compute: Compute) -> Format:
    mantissa = MANTISSA[name]
    levels = (Level(BLOCK, SCALE_BITS, "power of two"), Level(PAIR, 1, "1 or 1/2"))
    channel = (Level("channel", 32, "power of two, float32"),) if compute == "int8" else ()
    return Microexponents(name, 1 + mantissa, (*channel, *levels), compute, mantissa)


def _family(name: str, compute: Compute) -> Family:
    about = f"a sign and {MANTISSA[name]} bits, a power of two for 16, a shift by one bit for 2 (shared microexponents)"
    return Family(name, about, lambda _: _format(name, compute), stored_by="microexponents")


FAMILIES = (_family("mx4", "int8"), _family("mx6", "int8"), _family("mx9", "float"))
