"""Signed 4-bit codes, two in a byte: the INT4 of TFLite and of ONNX."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import U8, AnyArray
from edgeq.numerics.grid import LIMITS
from edgeq.numerics.packing import pack, unpack


def fits(codes: AnyArray) -> bool:
    """Whether all codes are numbers of 4 bits.

    >>> fits(np.array([-8, 7], np.int8)), fits(np.array([8], np.int8))
    (True, False)
    """
    low, high = LIMITS["int4"]
    return bool(codes.min(initial=0) >= low and codes.max(initial=0) <= high)


def packed(codes: AnyArray) -> U8:
    """The bytes [ceil(n / 2)] of n codes of -8..7: the first of two has the lower bits.

    >>> packed(np.array([1, -1, 7], np.int8)).tolist()
    [241, 7]
    """
    return pack((codes.astype(np.int16) & 15).astype(np.uint8), 4)


def unpacked(data: U8, count: int) -> AnyArray:
    """The inverse of packed: int8 [count].

    >>> unpacked(packed(np.array([1, -1, 7], np.int8)), 3).tolist()
    [1, -1, 7]
    """
    plain = unpack(data, 4, count).astype(np.int8)
    return np.where(plain > 7, plain - 16, plain).astype(np.int8)
