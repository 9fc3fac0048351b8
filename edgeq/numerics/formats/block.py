"""block:32: four-bit codes with a float scale for 32 of them.

w = s * c, with a code c of -8..7 and a float32 s, of either sign, for each block of N neighbouring
numbers. It is ONNX's DequantizeLinear with block_size (opset 21), and what onnxruntime's
MatMulNBits multiplies with. A block gets the scale that errs least of several that bring its
largest number to an end, then the least-squares one for its codes.

No integer kernel has scales of blocks. Where layers compute in integers, the scales are therefore
those of two_level:N: whole numbers, times a float for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.formats.blocks import cut, spread
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Format, Level, Room, Stored
from edgeq.numerics.formats.microscaling import by_rows
from edgeq.numerics.formats.two_level import LARGEST, TwoLevel
from edgeq.numerics.rounding.codes import Codes

LOWEST, HIGHEST = -8, 7
#: scales of a block to try, as multiples of the one that brings its largest number to an end
FACTORS = np.linspace(1.0, 0.65, 11)


@dataclass(frozen=True)
class FloatBlocks(Format):
    """Codes of four bits with a float scale a block."""

    #: numbers of a block
    size: int = 32

    def codes(self, room: Room) -> Codes:  # noqa: ARG002  (the signature of Format)
        return Codes(LOWEST, HIGHEST, (), None)

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:  # noqa: ARG002  (the signature of Format)
        blocks, costs = cut(rows, kernel, self.size), cut(importance.astype(np.float32), kernel, self.size)
        return (np.stack([by_rows(_block_scales, cost, group) for cost, group in zip(costs, blocks, strict=True)]),)

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:
        return np.asarray(spread(scales[0], kernel, self.size), np.float32)

    def codes8(self, stored: Stored) -> ChannelGrid | None:  # noqa: ARG002  (the signature of Format)
        return None

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:  # noqa: ARG002  (the signature of Format)
        return None


def _block_scales(costs: F32, blocks: F32) -> F32:
    """The scale of each block [C, B]."""
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    best, least = np.ones(largest.shape, np.float32), np.full(largest.shape, np.inf)
    for end in (LOWEST, HIGHEST):
        for factor in FACTORS:
            scale = _not_zero(largest * np.float32(factor / end))
            error, fitted = _with_nearest(costs, blocks, scale)
            again, _ = _with_nearest(costs, blocks, fitted)
            for tried, cost in ((scale, error), (fitted, again)):
                best, least = np.where(cost < least, tried, best), np.minimum(cost, least)
    return np.asarray(best, np.float32)


def _with_nearest(costs: F32, blocks: F32, scale: F32) -> tuple[F64, F32]:
    """The errors [C, B] of the nearest codes, and the least-squares scales for these."""
    codes = np.clip(np.rint(blocks / scale[..., None]), LOWEST, HIGHEST)
    error = (np.square(codes * scale[..., None] - blocks, dtype=np.float64) * costs).sum(-1)
    above, below = ((codes * other * costs).sum(-1, dtype=np.float64) for other in (blocks, codes))
    fitted = np.where(below > 0, above / np.where(below > 0, below, 1), scale)
    return error, _not_zero(fitted.astype(np.float32))


def _not_zero(scale: F32) -> F32:
    """Scales by which a block can be divided: 1 for blocks of zeros."""
    return np.where(np.abs(scale) > np.finfo(np.float32).tiny, scale, np.float32(1)).astype(np.float32)


def _integers(size: int) -> Format:
    levels = (Level("channel", 32, "float32"), Level(size, 4, f"whole number 1..{LARGEST}"))
    return TwoLevel(f"block:{size}", 4, levels, "int8", size)


def _floats(size: int) -> Format:
    return FloatBlocks(f"block:{size}", 4, (Level(size, 32, "float32"),), "float", size)


FAMILIES = (
    Family(
        "block",
        "four bits, a float scale a block in layers that compute in float; the scales of two_level where they run in integers",
        _integers,
        sizes=(32, 64, 128),
        stored_by="block",
        floats=_floats,
    ),
)
