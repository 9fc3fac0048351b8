"""Tables whose rows are looked up: four-bit codes packed so that a row is unpacked by itself.

A row of a table is what formats call a channel: it has a scale of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, U8, Ints
from edgeq.numerics.formats.blocks import padded
from edgeq.numerics.formats.format import ChannelGrid, Format
from edgeq.numerics.formats.integer import Integers
from edgeq.numerics.formats.two_level import TwoLevel

#: what is added to a code of -8..7 to store it
ZERO = 8


@dataclass(frozen=True, eq=False)
class PackedRows:
    """A table [V, K] as numbers below 16, two in a byte.

    The number at [v, i] = scale[v] * vector scale * (code - 8). Byte j of a row of W bytes holds
    the code of column j in its lower half, and that of column j + W in its upper half.
    """

    #: uint8 [V, W], W >= K / 2
    codes: U8
    #: uint8 [V, W'], packed likewise: whole-number scales of vectors; None: there are none
    vectors: U8 | None
    #: float32 [V]
    scale: F32
    #: K
    columns: int

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.codes.nbytes + (0 if self.vectors is None else self.vectors.nbytes) + self.scale.nbytes


def can_pack(form: Format) -> bool:
    """Whether rows can be stored in this format and looked up without unpacking the table."""
    return form.bits == 4 and isinstance(form, Integers | TwoLevel)


def packed_rows(form: Format, codes: F32, scale: F32) -> PackedRows | None:
    """The packed form of int8 codes [V, K] with a scale [V] for each row.

    None for a format that cannot be packed, or codes that do not have its form.

    >>> from edgeq.numerics.formats.table import parse_format
    >>> codes = np.array([[1, -2, 3, 7]], np.float32)
    >>> found = packed_rows(parse_format("int4"), codes, np.ones(1, np.float32))
    >>> found.codes.tolist()  # 1 and 3 in the first byte, -2 and 7 in the second
    [[185, 246]]
    """
    if not can_pack(form):
        return None
    columns = codes.shape[1]
    stored = form.encoded(ChannelGrid(scale[None], codes[None]), (columns,))
    if stored is None:
        return None
    size = form.block or 1
    wide = padded(columns, 2 * size)
    whole = np.pad(stored.elements[0].astype(np.int16), ((0, 0), (0, wide - columns)))
    vectors = None
    if len(stored.scales) > 1:
        own = np.asarray(stored.scales[1][0], np.uint8)
        vectors = halves(np.pad(own, ((0, 0), (0, wide // size - own.shape[1])), constant_values=1))
    return PackedRows(halves(whole + ZERO), vectors, scale, columns)


def halves(numbers: Ints) -> U8:
    """Numbers below 16 [V, 2 W] as bytes [V, W]: the left half of a row below the right half."""
    half = numbers.shape[1] // 2
    return (numbers[:, :half] | (numbers[:, half:] << 4)).astype(np.uint8)
