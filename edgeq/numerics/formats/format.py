"""What a number format of weights is, and what everybody asks it.

A weight is seen as rows [G, C, K] (groups, output channels, columns). A format stores an *element*
of few bits for each number, and scales at one or more levels. An element times the product of its
scales, its *step*, is the number that it stands for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray, Indices
from edgeq.numerics.formats.blocks import padded
from edgeq.numerics.packing import packed_bytes
from edgeq.numerics.rounding.codes import Codes, Snap
from edgeq.numerics.rounding.factors import feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.with_feedback import rounded_with_error

#: what shares a scale: so many neighbouring numbers of a row, a row, or the whole weight
SharedBy = int | Literal["channel", "tensor"]
#: how a layer computes with weights of a format: int8 where a scale for each channel is enough for
#: int8 codes, so that integer kernels run; else in float
Compute = Literal["int8", "float"]


@dataclass(frozen=True)
class Level:
    """The scales of one level of a format."""

    shared_by: SharedBy
    #: bits of a scale
    bits: int
    #: what a scale is, for people: "float32", "integer 1..15", "power of two"
    kind: str


def _unchanged(scale: F32) -> F32:
    return scale


@dataclass(frozen=True, eq=False)
class Room:
    """What the kernel and the neighbours of a weight leave to its format.

    By default nothing is limited.
    """

    #: maps the scales of channels [G, C] to those that bias, target and requantization allow; they
    #: may be larger or smaller
    allowed: Snap = _unchanged
    #: neighbouring columns whose int8 codes have a limit together: pairs of indices for each order
    #: of columns
    pairs: tuple[Indices, ...] = ()
    #: the largest |a| + |b| of the int8 codes of neighbours of one sign; None: no limit
    limit: int | None = None
    #: whether all channels have one scale
    shared: bool = False

    @property
    def largest(self) -> int:
        """The largest int8 code of which no two neighbours reach the limit."""
        return 127 if self.limit is None or not self.pairs else min(127, self.limit // 2)


@dataclass(frozen=True, eq=False)
class ChannelGrid:
    """A weight as int8 codes with one scale a channel, zero point 0."""

    #: float32 [G, C]
    scale: F32
    #: whole numbers of -128..127 [G, C, K]
    codes: F32

    @property
    def real(self) -> F32:
        """[G, C, K] in float32, as DequantizeLinear computes them."""
        return self.codes * self.scale[..., None]


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

    def fit(self, rows: F32, moment: HalfMatrix | None, kernel: tuple[int, ...], room: Room | None = None) -> Stored:
        """Bring rows [G, C, K] into the format.

        moment: E[x x^T] of the layer's inputs, under which the change of its outputs is kept
        small: scales by its diagonal, elements by error feedback. None: every element is the
        nearest.
        """
        room = room or Room()
        importance = np.ones((rows.shape[0], rows.shape[2])) if moment is None else moment.diagonal()
        scales, codes = self.scales(rows, importance, kernel, room), self.codes(room)
        steps = self.steps(scales, kernel)
        if moment is None:
            elements = codes.all_nearest(rows / steps)
        else:
            elements, _ = rounded_with_error(rows, feedback(moment), np.broadcast_to(steps, rows.shape), codes)
        return Stored(self, kernel, elements, scales)

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

    def nbytes(self, stored: Stored) -> int:
        """Bytes of a weight in a file: see Stored.nbytes."""
        rows, columns = math.prod(stored.elements.shape[:2]), stored.elements.shape[2]
        elements = packed_bytes(rows * padded(columns, self.block or 1), self.bits)
        scales = sum(_scale_bytes(level.bits, np.size(scale)) for level, scale in zip(self.levels, stored.scales, strict=True))
        return elements + scales + (rows if self.compute == "int8" else 0)


def _scale_bytes(bits: int, count: int) -> int:
    return packed_bytes(count, bits) if bits < 8 else count * bits // 8


@dataclass(frozen=True)
class Family:
    """The formats of one name; several where a size follows the name, as in two_level:16."""

    name: str
    #: one sentence for `edgeq formats`
    about: str
    #: the format of a size; without sizes it is called with 0
    make: Callable[[int], Format]
    #: the sizes that may follow the name behind a colon, the usual one first; none: nothing follows
    sizes: tuple[int, ...] = ()
    #: the module passes/store/store_NAME.py that writes its nodes; None: plain integers
    stored_by: str | None = None
