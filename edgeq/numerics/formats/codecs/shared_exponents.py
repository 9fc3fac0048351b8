"""The MX formats of the OCP specification: blocks of 32 elements that share a power of two.

Source: OCP Microscaling Formats (MX) Specification v1.0, sections 5.2, 5.3 and 6.3. The scale is an
E8M0: its code c stands for 2^(c - 127), 255 for NaN. Which scale a block gets is a choice of the
encoder; three rules are in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeq.numerics.arrays import F32, I64, U8, Ints
from edgeq.numerics.formats.codecs.elements import Element

#: elements of a block
BLOCK = 32
#: what is added to an exponent in its code
BIAS = 127
#: bits of a scale
SCALE_BITS = 8

#: floor: the specification's, floor(log2 of the largest) - exponent of the element's largest power
#: of two; numbers above the element's largest saturate. even: the same after the largest is rounded
#: to the element's mantissa, half up, so that what would round to the next power of two counts as
#: it (AMD Quark, torchao). ceil: the least scale at which nothing saturates (torchao's RCEIL)
ScaleRule = Literal["floor", "even", "ceil"]


@dataclass(frozen=True, eq=False)
class SharedExponents:
    """Rows of numbers as codes of elements and one exponent for each block."""

    #: uint8 [R, K]: the code of each element
    codes: U8
    #: uint8 [R, ceil(K / 32)]: the E8M0 code of each block
    exponents: U8


def encode(rows: F32, element: Element, rule: ScaleRule = "floor") -> SharedExponents:
    """The codes of rows [R, K]; the last block of a row may be short.

    Elements are rounded half to even and saturate. Raises ValueError for numbers that are not
    finite.

    >>> from edgeq.numerics.formats.codecs.elements import ELEMENTS
    >>> stored = encode(np.array([[1.0, -7.0, 0.3]], np.float32), ELEMENTS["e2m1"])
    >>> stored.exponents.tolist(), decode(stored, ELEMENTS["e2m1"]).tolist()
    ([[127]], [[1.0, -6.0, 0.5]])
    """
    exponents = block_exponents(rows, element, rule)
    return with_exponents(rows, exponents, element)


def with_exponents(rows: F32, exponents: Ints, element: Element) -> SharedExponents:
    """The codes of rows [R, K] under given exponents [R, ceil(K / 32)] of their blocks."""
    spread = spread_blocks(exponents, BLOCK, rows.shape[1])
    scaled = np.ldexp(rows.astype(np.float64), -spread)  # exact: float64 has exponents to spare
    return SharedExponents(element.encode(scaled), (np.asarray(exponents) + BIAS).astype(np.uint8))


def decode(stored: SharedExponents, element: Element) -> F32:
    """The numbers [R, K], exact; subnormal float32 numbers included."""
    spread = spread_blocks(exponents_of(stored.exponents), BLOCK, stored.codes.shape[1])
    return np.asarray(np.ldexp(element.decode(stored.codes), spread), np.float32)


def block_exponents(rows: F32, element: Element, rule: ScaleRule = "floor") -> I64:
    """The exponent of each block of rows [R, K], within -127..127: [R, ceil(K / 32)].

    A block of zeros has -127.
    """
    most = np.maximum.reduceat(np.abs(rows), np.arange(0, rows.shape[1], BLOCK), axis=1)
    fraction, exponent = np.frexp(most.astype(np.float64))  # most = fraction * 2^exponent, fraction in [1/2, 1)
    found = exponent.astype(np.int64) - 1 - element.most
    if rule == "even":
        found += fraction >= 1 - 2.0 ** -(element.mantissa + 2)
    elif rule == "ceil":
        found += fraction > np.frexp(element.largest)[0]
    return np.where(most > 0, np.clip(found, -BIAS, BIAS), -BIAS)


def exponents_of(codes: U8) -> I64:
    """The exponents that E8M0 codes stand for."""
    return codes.astype(np.int64) - BIAS


def spread_blocks(of_blocks: Ints, block: int, columns: int) -> I64:
    """What blocks [R, ceil(K / block)] say, for each of their elements: [R, K]."""
    return np.repeat(np.asarray(of_blocks, np.int64), block, axis=1)[:, :columns]
