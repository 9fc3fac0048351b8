"""MX4, MX6 and MX9: blocks of 16 share an exponent, pairs within them a shift of one bit.

Source: "With Shared Microexponents, A Little Shifting Goes a Long Way" (arXiv:2302.08007), section
3 and table 2. An element is a sign and m bits without a hidden one; m is 2, 4 and 7. A block has
the exponent E of its largest number. A pair whose numbers are all below 2^E is shifted by one. The
value is code * 2^(E - shift - (m - 1)). Bits of an element: 1 + m + 8 / 16 + 1 / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, I64, U8
from edgeq.numerics.formats.codecs.shared_exponents import BIAS, spread_blocks

#: elements that share an exponent
BLOCK = 16
#: elements that share a shift
PAIR = 2
#: the mantissa bits of each format
MANTISSA: dict[str, int] = {"mx4": 2, "mx6": 4, "mx9": 7}


@dataclass(frozen=True, eq=False)
class Microexponents:
    """Rows of numbers as codes, an exponent for each block and a shift for each pair."""

    #: int8 [R, K]: sign and mantissa, -(2^m - 1)..2^m - 1
    codes: np.typing.NDArray[np.int8]
    #: uint8 [R, ceil(K / 16)]: the exponent of each block plus 127, as in a float32; 0: all are 0
    exponents: U8
    #: uint8 [R, ceil(K / 2)]: 0 or 1
    shifts: U8


def encode(rows: F32, mantissa: int) -> Microexponents:
    """The codes of rows [R, K]; the last block and the last pair of a row may be short.

    Rounded half to even, saturating: a code does not round up to 2^m. Subnormal float32 numbers
    count as 0, since an exponent has no code for them. Raises ValueError for numbers that are not
    finite.

    >>> stored = encode(np.array([[4.0, -1.0, 0.7, 0.7]], np.float32), MANTISSA["mx4"])
    >>> stored.codes.tolist(), stored.exponents.tolist(), stored.shifts.tolist()
    ([[2, 0, 1, 1]], [[129]], [[0, 1]])
    >>> decode(stored, MANTISSA["mx4"]).tolist()
    [[4.0, 0.0, 1.0, 1.0]]
    """
    if not np.isfinite(rows).all():
        raise ValueError("microexponents encode finite numbers")
    exponents, shifts = block_exponents(rows)
    steps = step_exponents(exponents, shifts, rows.shape[1], mantissa)
    most = (1 << mantissa) - 1
    normal = np.where(np.abs(rows) < np.finfo(np.float32).tiny, 0, rows).astype(np.float64)
    codes = np.clip(np.rint(np.ldexp(normal, -steps)), -most, most)
    return Microexponents(codes.astype(np.int8), exponents, shifts)


def decode(stored: Microexponents, mantissa: int) -> F32:
    """The numbers [R, K], exact; subnormal float32 numbers included."""
    steps = step_exponents(stored.exponents, stored.shifts, stored.codes.shape[1], mantissa)
    return np.asarray(np.ldexp(stored.codes.astype(np.float32), steps), np.float32)


def block_exponents(rows: F32) -> tuple[U8, U8]:
    """The exponents of blocks and the shifts of pairs, as they are stored, of rows [R, K]."""
    fields = (np.ascontiguousarray(rows, np.float32).view(np.uint32) >> np.uint32(23)).astype(np.uint8)  # the sign falls off
    columns = rows.shape[1]
    of_blocks = np.maximum.reduceat(fields, np.arange(0, columns, BLOCK), axis=1)
    of_pairs = np.maximum.reduceat(fields, np.arange(0, columns, PAIR), axis=1)
    above = np.repeat(of_blocks, BLOCK // PAIR, axis=1)[:, : of_pairs.shape[1]]
    return of_blocks, (of_pairs < above).astype(np.uint8)


def step_exponents(exponents: U8, shifts: U8, columns: int, mantissa: int) -> I64:
    """The exponent of each element's unit: E - shift - (m - 1), [R, K]."""
    return spread_blocks(exponents, BLOCK, columns) - BIAS - spread_blocks(shifts, PAIR, columns) - (mantissa - 1)
