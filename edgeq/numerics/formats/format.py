"""What a number format of weights is, and what everybody asks it.

A weight is seen as rows [G, C, K] (groups, output channels, columns). A format stores an *element*
of few bits for each number, and scales at one or more levels. An element times the product of its
scales, its *step*, is the number that it stands for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.formats.blocks import padded
from edgeq.numerics.formats.parts import ChannelGrid as ChannelGrid
from edgeq.numerics.formats.parts import Compute as Compute
from edgeq.numerics.formats.parts import Inputs as Inputs
from edgeq.numerics.formats.parts import Level as Level
from edgeq.numerics.formats.parts import Room as Room
from edgeq.numerics.packing import packed_bytes
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.descent import descend, error_of, least_squares
from edgeq.numerics.rounding.several_ways import best_of_ways, can_search
from edgeq.numerics.rounding.with_feedback import FACTORS, rounded_best, rounded_with_error

#: the first level of formats whose channel scales may take any value
CHANNEL_FLOAT = Level("channel", 32, "float32")


@dataclass(frozen=True, eq=False)
class Stored:
    """A weight in a format."""

    format: Format
    #: the shape of a row: (input channels of the group, *spatial), or (columns,)
    kernel: tuple[int, ...]
    #: float32 [G, C, K]: the elements as numbers, before any scale
    elements: F32
    #: one array for each of the format's levels, in their order: [G, C, B] for blocks (blocks.py),
    #: [G, C] for channels, [] for the tensor
    scales: tuple[AnyArray, ...]

    @property
    def real(self) -> F32:
        """The weight's numbers [G, C, K] in float32."""
        return self.format.real(self)

    @property
    def nbytes(self) -> int:
        """Bytes in a file.

        Those of the elements with the padding of blocks, of the scales of all levels and, where
        integer kernels run, of a zero point for each channel.
        """
        return self.format.nbytes(self)

    @property
    def bits_per_weight(self) -> float:
        """nbytes in bits for each number of the weight."""
        return 8 * self.nbytes / max(self.elements.size, 1)


@dataclass(frozen=True)
class Format(ABC):
    """A number format of weights. Subclasses say what elements and scales are."""

    #: as users write it: "two_level:16"
    name: str
    #: bits of an element
    bits: int
    #: the scales, the coarsest first
    levels: tuple[Level, ...]
    compute: Compute
    #: bytes that the nodes of a weight add to a file beyond those of a codebook
    more_bytes: ClassVar[int] = 0

    @property
    def block(self) -> int | None:
        """The numbers of the largest block that shares a scale; None: scales are of whole rows."""
        return max((level.shared_by for level in self.levels if isinstance(level.shared_by, int)), default=None)

    @property
    def nominal_bits(self) -> float:
        """Bits for each number: an element, and its share of the scales of its blocks.

        Scales of channels and of the tensor are left out, as formats are usually quoted.
        """
        return self.bits + sum(level.bits / level.shared_by for level in self.levels if isinstance(level.shared_by, int))

    @abstractmethod
    def codes(self, room: Room) -> Codes:
        """The elements that rounding may choose from."""

    @abstractmethod
    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:
        """The scales of all levels that bring rows [G, C, K] nearest, in the order of `levels`.

        importance [G, K]: what a squared error costs in each column.
        """

    @abstractmethod
    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:
        """What a unit of an element stands for: float32 [G, C, K], or [G, C, 1] for whole rows."""

    def fit(self, rows: F32, inputs: Inputs | None, kernel: tuple[int, ...], room: Room | None = None) -> Stored:
        """Bring rows [G, C, K] into the format.

        inputs: what the layer reads, under which the change of its outputs is kept small: scales by
        the diagonal of the moment (those of rows by what feedback makes of them), elements by error
        feedback, then by moving one at a time. None: every element is the nearest.
        """
        room = room or Room()
        importance = np.ones((rows.shape[0], rows.shape[2])) if inputs is None else inputs.moment.diagonal()
        scales, codes = self.scales(rows, importance, kernel, room), self.codes(room)
        steps = self.steps(scales, kernel)
        if inputs is None:
            return Stored(self, kernel, codes.all_nearest(rows / steps), scales)
        if self.levels == (CHANNEL_FLOAT,) and self.bits < 8:  # at 8 bits the errors of activations hide the difference
            tried = [scales[0], *(room.allowed(scales[0] * np.float32(factor)) for factor in FACTORS)]
            scale, elements = rounded_best(rows, inputs.passed_on, tried, codes, shared=room.shared)
            scales, steps = (scale,), self.steps((scale,), kernel)
        else:
            elements, _ = rounded_with_error(rows, inputs.passed_on, np.broadcast_to(steps, rows.shape), codes)
        if self.bits < 8 and can_search(inputs.passed_on, codes):
            elements = best_of_ways(rows, inputs.passed_on, steps, codes, elements)
        if inputs.damped is None:
            return Stored(self, kernel, elements, scales)
        found = Stored(self, kernel, descend(rows, inputs.damped, steps, codes, elements), scales)
        return self._stretched(found, rows, inputs.damped, room) if self.levels[0] == CHANNEL_FLOAT else found

    def _stretched(self, found: Stored, rows: F32, moment: F32, room: Room) -> Stored:
        """The weight with the channel scales of least squares for its elements, where these help.

        They are q H w / q H q for the numbers q of a row. Elements move once more.
        """
        scale = room.allowed(found.scales[0] * least_squares(rows, found.real, moment, room.shared))
        scales = (scale, *found.scales[1:])
        steps, codes = self.steps(scales, found.kernel), self.codes(room)
        new = Stored(self, found.kernel, descend(rows, moment, steps, codes, found.elements), scales)
        better = error_of(rows, new.real, moment) < error_of(rows, found.real, moment)
        if room.shared:
            better[...] = error_of(rows, new.real, moment).sum() < error_of(rows, found.real, moment).sum()
        elements = np.where(better[..., None], new.elements, found.elements)
        return Stored(self, found.kernel, elements, (np.where(better, scale, found.scales[0]), *found.scales[1:]))

    def real(self, stored: Stored) -> F32:
        """The weight's numbers [G, C, K] in float32; where `compute` is int8, exactly those of
        `codes8`.
        """
        grid = self.codes8(stored)
        return stored.elements * self.steps(stored.scales, stored.kernel) if grid is None else grid.real

    @abstractmethod
    def codes8(self, stored: Stored) -> ChannelGrid | None:
        """The int8 codes that stand for the same numbers; None where `compute` is float."""

    @abstractmethod
    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:
        """The form in this format of int8 codes, whose `codes8` are the same again.

        Lossless; None if the codes do not have the form of this format, or `compute` is float.
        Plans keep the int8 codes; what reads or changes those needs to know no more of a format.
        """

    def allowed(self, stored: Stored) -> Codes:  # noqa: ARG002  (some formats look at it)
        """The elements that rounding may choose from with the scales of `stored`."""
        return self.codes(Room())

    def nbytes(self, stored: Stored) -> int:
        """Bytes of a weight in a file: see Stored.nbytes."""
        return self.bytes_of(math.prod(stored.elements.shape[:2]), stored.elements.shape[2])

    def bytes_of(self, rows: int, columns: int) -> int:
        """Bytes of a weight of so many rows and columns in a file, before it is fitted."""
        wide = padded(columns, self.block or 1)
        scales = sum(_scale_bytes(level, rows, wide) for level in self.levels)
        return packed_bytes(rows * wide, self.bits) + scales + (rows if self.compute == "int8" else 0)


def _scale_bytes(level: Level, rows: int, wide: int) -> int:
    count = {"channel": rows, "tensor": 1}[level.shared_by] if isinstance(level.shared_by, str) else rows * wide // level.shared_by
    return packed_bytes(count, level.bits) if level.bits < 8 else count * level.bits // 8
