"""Pack small unsigned integers into bytes, splitting widths that do not divide a byte."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import U8

#: bits of an index -> widths of the parts it is stored in, lowest bits first; each divides 8, so
#: that no part crosses a byte
PARTS: dict[int, tuple[int, ...]] = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2), 8: (8,)}


def pack(values: U8, width: int) -> U8:
    """Pack values [n] below 2^width into bytes [ceil(n width / 8)].

    The first value has the lowest bits, as ONNX packs its 4-bit types. width divides 8.

    >>> pack(np.array([1, 2, 3, 0], np.uint8), 2)
    array([57], dtype=uint8)
    >>> [f"{byte:08b}" for byte in pack(np.array([1, 2, 3, 0], np.uint8), 2)]
    ['00111001']
    """
    per = 8 // width
    padded = np.zeros(-(-values.size // per) * per, np.uint8)
    padded[: values.size] = values.reshape(-1)
    shifts = np.arange(per, dtype=np.uint8) * np.uint8(width)
    return np.asarray(np.bitwise_or.reduce(padded.reshape(-1, per) << shifts, axis=1), np.uint8)


def unpack(packed: U8, width: int, count: int) -> U8:
    """The inverse of pack: values [count].

    >>> unpack(pack(np.array([5, 0, 7], np.uint8), 4), 4, 3)
    array([5, 0, 7], dtype=uint8)
    """
    shifts = np.arange(8 // width, dtype=np.uint8) * np.uint8(width)
    return np.asarray((packed[:, None] >> shifts) & np.uint8(2**width - 1), np.uint8).reshape(-1)[:count]


def split(values: U8, bits: int) -> list[tuple[int, U8]]:
    """Split values into (width, part) for each width of PARTS[bits].

    values = sum of part * 2^(sum of the widths before it).
    """
    parts, below = [], 0
    for width in PARTS[bits]:
        parts.append((width, (values >> np.uint8(below)) & np.uint8(2**width - 1)))
        below += width
    return parts


def packed_bytes(count: int, bits: int) -> int:
    """The number of bytes that `count` indices take once packed.

    >>> packed_bytes(1000, 4), packed_bytes(1000, 3)
    (500, 375)
    """
    return sum(-(-count * width // 8) for width in PARTS[bits])
