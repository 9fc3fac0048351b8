"""NVFP4: four-bit floats, an E4M3 scale for 16 of them, and one float scale for the whole weight.

w = t * s * e, with an element e of MXFP4 (E2M1), a scale s of E4M3 for each block of 16
neighbouring numbers, and a float32 t that brings the scale of the largest block to 448, the largest
of E4M3. A block gets the scale that brings its largest number to 6 or to 4, whichever errs less:
between 4 and 6 E2M1 has no number. Source: NVIDIA, Introducing NVFP4, 2025; two scales a block:
Cook et al., Four Over Six, arXiv:2512.02010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeq.numerics.arrays import F32, F64, U8, AnyArray
from edgeq.numerics.formats.blocks import cut, spread
from edgeq.numerics.formats.codecs.elements import ELEMENTS
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Format, Level, Room, Stored
from edgeq.numerics.formats.microscaling import ElementCodes, by_rows
from edgeq.numerics.rounding.codes import Codes

BLOCK = 16
ELEMENT, SCALE = ELEMENTS["e2m1"], ELEMENTS["e4m3"]
#: what the largest number of a block may become
ENDS = (6.0, 4.0)
#: the smallest scale of E4M3 that is not 0
LEAST = 2.0**-9


@dataclass(frozen=True)
class Nvfp4(Format):
    """E2M1 elements, E4M3 scales of blocks, a float scale of the tensor."""

    #: two tables are looked up
    more_bytes: ClassVar[int] = 500

    def codes(self, room: Room) -> Codes:  # noqa: ARG002  (the signature of Format)
        return ElementCodes(-6, 6, (), None, element=ELEMENT)

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:  # noqa: ARG002  (the signature of Format)
        peak = float(np.abs(rows).max(initial=0.0))
        tensor = np.float32(max(peak, 1e-30) / (ENDS[0] * SCALE.largest))
        blocks, costs = cut(rows, kernel, BLOCK), cut(importance.astype(np.float32), kernel, BLOCK)
        units = [by_rows(_block_scales, cost, group / tensor) for cost, group in zip(costs, blocks, strict=True)]
        return np.asarray(tensor), SCALE.encode(np.stack(units))

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:
        tensor, codes = scales
        return np.asarray(spread(np.float32(tensor) * SCALE.decode(codes), kernel, BLOCK), np.float32)

    def codes8(self, stored: Stored) -> ChannelGrid | None:  # noqa: ARG002  (the signature of Format)
        return None

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:  # noqa: ARG002  (the signature of Format)
        return None


def _block_scales(costs: F32, blocks: F32) -> F64:
    """The scale of each block [C, B], a number of E4M3."""
    peaks = np.abs(blocks).max(-1, initial=0.0)
    best: F64 = np.ones(peaks.shape)
    least: F64 = np.full(peaks.shape, np.inf)
    for end in ENDS:
        scale = np.maximum(SCALE.nearest(peaks / end), LEAST)
        rest = ELEMENT.nearest(blocks / scale[..., None]) * scale[..., None] - blocks
        error = (rest * rest * costs).sum(-1)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best


def stored_scales(stored: Stored) -> U8:
    """The codes of the blocks' scales [C, B, 1] of a weight of one group."""
    return np.asarray(stored.scales[1][0], np.uint8)[..., None]


def _nvfp4() -> Format:
    levels = (Level("tensor", 32, "float32"), Level(BLOCK, SCALE.bits, "E4M3"))
    return Nvfp4("nvfp4", ELEMENT.bits, levels, "float")


FAMILIES = (Family("nvfp4", "four-bit floats, an E4M3 scale for 16 and one float scale a weight", lambda _: _nvfp4(), stored_by="nvfp4"),)
