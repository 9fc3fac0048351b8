"""two_level:16: four-bit codes, a whole-number scale a vector of 16, a float scale a channel.

w = g * s * c, with a code c of -7..7, a whole number s of 1..15 for each vector of N neighbouring
numbers, and a float g for each channel. s * c is an int8 code, so that integer kernels run, and a
number takes 4 + 4/16 = 4.25 bits. Source: Dai et al., VS-Quant, arXiv:2102.04503, section 4.4;
Qualcomm's LPBQ is the same with vectors of 16 to 64.

Where a kernel saturates if two neighbouring int8 codes exceed a limit, s ends where no two can: at
9 for a limit of 128.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgeq.numerics.arrays import F32, F64, U8, AnyArray
from edgeq.numerics.formats.blocks import cut, joined, spread
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Format, Inputs, Level, Room, Stored
from edgeq.numerics.formats.two_level_descent import descend_vectors
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.descent import descend

#: the largest code, and the largest scale of a vector
MOST, LARGEST = 7, 15
#: scales of a channel to try, as multiples of the one that spans its largest vector
FACTORS = np.linspace(1.0, 0.7, 7)
#: scales of a vector to try: the one that spans it, and so many smaller ones
LOWER = 4
#: turns of moving scales of vectors, then codes, then scales of channels
TURNS = 2
#: numbers of a weight that are tried at a time: they stay in a core's cache from scale to scale
AT_ONCE = 1 << 16


@dataclass(frozen=True)
class TwoLevel(Format):
    """Codes of four bits with whole-number scales of vectors and a float scale a channel."""

    #: numbers of a vector
    size: int = 16

    def codes(self, room: Room) -> Codes:  # noqa: ARG002  (the signature of Format)
        return Codes(-MOST, MOST, (), None)

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:
        least, best = np.full(rows.shape[:2], np.inf), None
        for channel, vector, error in self._tried(rows, importance, kernel, room):
            shown = np.full_like(error, error.sum()) if room.shared else error
            better = shown < least
            least = np.where(better, shown, least)
            best = (channel, vector) if best is None else (np.where(better, channel, best[0]), np.where(better[..., None], vector, best[1]))
        assert best is not None
        return best

    def fit(self, rows: F32, inputs: Inputs | None, kernel: tuple[int, ...], room: Room | None = None) -> Stored:
        """As for every format; then scales of vectors move, together with their codes.

        No move raises the error of a row.
        """
        room = room or Room()
        found = super().fit(rows, inputs, kernel, room)
        if inputs is None or (moment := inputs.damped) is None:
            return found
        for _ in range(TURNS):
            ends = MOST, self._most(room)
            old = np.asarray(found.scales[1], np.uint8), found.elements
            vector, elements = descend_vectors(rows, moment, found.scales[0], old, kernel, self.size, ends)
            if np.array_equal(elements, found.elements) and np.array_equal(vector, found.scales[1]):
                break
            found = self._moved(Stored(self, kernel, elements, (found.scales[0], vector)), rows, moment, room)
        return found

    def _moved(self, found: Stored, rows: F32, moment: F32, room: Room) -> Stored:
        """The weight after descent on codes, with channel scales of least squares."""
        elements = descend(rows, moment, self.steps(found.scales, found.kernel), self.codes(room), found.elements)
        return self._stretched(replace(found, elements=elements), rows, moment, room)

    def _most(self, room: Room) -> int:
        """The largest scale of a vector."""
        return min(LARGEST, room.largest // MOST)

    def _tried(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> Iterator[tuple[F32, U8, F64]]:
        """Scales of channels [G, C], the best of vectors for these [G, C, B], and errors [G, C]."""
        most = self._most(room)
        vectors, costs = cut(rows, kernel, self.size), cut(importance.astype(np.float32), kernel, self.size)
        peaks = np.abs(vectors).max(-1, initial=0.0)
        span = peaks.max(-1, initial=0.0) / np.float32(MOST * most)
        if room.shared:
            span = np.full_like(span, span.max(initial=0.0))
        span = np.where(span > 0, span, 1.0).astype(np.float32)
        for factor in FACTORS:
            yield _vector_scales(vectors, costs, peaks, room.allowed(span * np.float32(factor)), most)

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:
        channel, vector = scales
        return np.asarray(channel[..., None] * spread(vector.astype(np.float32), kernel, self.size), np.float32)

    def codes8(self, stored: Stored) -> ChannelGrid:
        channel, vector = stored.scales
        return ChannelGrid(channel, stored.elements * spread(vector.astype(np.float32), stored.kernel, self.size))

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:
        vectors = cut(grid.codes.astype(np.int32), kernel, self.size)
        scale = np.zeros(vectors.shape[:-1], np.int32)
        for tried in range(LARGEST, 0, -1):  # the smallest that fits is the last
            fits = (np.abs(vectors).max(-1, initial=0) <= MOST * tried) & ~np.any(vectors % tried, axis=-1)
            scale = np.where(fits, tried, scale)
        if not scale.all():
            return None
        elements = joined(vectors // scale[..., None], kernel).astype(np.float32)
        return Stored(self, kernel, elements, (grid.scale, scale.astype(np.uint8)))


def _vector_scales(vectors: F32, costs: F32, peaks: F32, channel: F32, most: int) -> tuple[F32, U8, F64]:
    """The scales of the vectors that fit best to these of the channels, and the channels' errors.

    vectors: [G, C, B, n]; costs: [G, B, n]; peaks: [G, C, B]; channel: [G, C].
    """
    shape = vectors.shape[:3]
    scale, error = np.ones(shape, np.uint8), np.zeros(shape[:2])
    spanning = np.clip(np.ceil(peaks / (channel[..., None] * np.float32(MOST)) - np.float32(1e-4)), 1, most)
    step = max(1, AT_ONCE // max(shape[2] * vectors.shape[3], 1))
    for group in range(shape[0]):
        for start in range(0, shape[1], step):
            own = (group, slice(start, start + step))
            scale[own], error[own] = _nearest(vectors[own], costs[group], channel[own][:, None], spanning[own])
    return channel, scale, error


def _nearest(vectors: F32, costs: F32, channel: F32, spanning: F32) -> tuple[U8, F64]:
    """Of `spanning` [C, B] and some smaller whole numbers, those of least error; errors [C]."""
    least, best = np.full(spanning.shape, np.inf), np.ones(spanning.shape, np.uint8)
    for lower in range(LOWER + 1):
        tried = np.maximum(spanning - lower, 1)
        steps = (channel * tried)[..., None]
        rest = np.rint(vectors / steps)
        np.clip(rest, -MOST, MOST, out=rest)
        rest *= steps
        rest -= vectors
        rest *= rest
        rest *= costs
        error = rest.sum(-1, dtype=np.float64)
        better = error < least
        least, best = np.where(better, error, least), np.where(better, tried, best).astype(np.uint8)
    return best, np.asarray(least.sum(-1), np.float64)


def _two_level(size: int) -> Format:
    levels = (Level("channel", 32, "float32"), Level(size, 4, f"whole number 1..{LARGEST}"))
    return TwoLevel(f"two_level:{size}", 4, levels, "int8", size)


FAMILIES = (
    Family(
        "two_level",
        "four bits, a whole-number scale a vector and a float scale a channel (VS-Quant, LPBQ)",
        _two_level,
        sizes=(16, 8, 32, 64),
        stored_by="two_level",
    ),
)
