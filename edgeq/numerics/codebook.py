"""Codebooks: an array of few different values as a small table and packed indices into it.

Encoding is lossless. Which values an array may have is decided elsewhere.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import U8, AnyArray
from edgeq.numerics.packing import PARTS, packed_bytes

#: index widths that a codebook can have; 7 bits would be stored as 8
BITS: tuple[int, ...] = tuple(PARTS)
#: bytes that the nodes of one codebook add to a file; a table that saves less is not worth it
NODES_BYTES = 450
#: onnxruntime folds no node with a larger result (session option
#: optimization.constant_folding_max_output_size_in_bytes, from 1.27 on)
FOLDED_BYTES = 1 << 30
_WORD = re.compile(r"tensor|channel|group:(\d+)|vector:(\d+)")


@dataclass(frozen=True)
class Grain:
    """Which weights share a table, and what one entry stands for."""

    #: number of output channels that share a table; None: all of them
    channels: int | None = None
    #: number of consecutive weights of one channel that form one entry
    vector: int = 1

    def __str__(self) -> str:
        if self.vector > 1:
            return f"vector:{self.vector}"
        return {None: "tensor", 1: "channel"}.get(self.channels, f"group:{self.channels}")

    def tables(self, channels: int) -> int:
        """The number of tables for a weight with this many output channels."""
        return 1 if self.channels is None else -(-channels // self.channels)


def grain_of_rows(grain: Grain, bits: int, columns: int) -> tuple[Grain, int]:
    """How a weight with this many columns a row is stored where `grain` and `bits` are asked for.

    Vectors never reach from one row into the next, whose scale is another. Rows that do not divide
    into them get a table of numbers of about as many bits a weight.

    >>> grain_of_rows(parse_grain("vector:4"), 8, columns=9)
    (Grain(channels=None, vector=1), 2)
    """
    if columns % grain.vector == 0:
        return grain, bits
    return Grain(), next(width for width in BITS if width * grain.vector >= bits)


def parse_grain(word: str) -> Grain:
    """Read a granularity: tensor, channel, group:N or vector:N.

    Raises ValueError for any other word.

    >>> parse_grain("tensor"), parse_grain("group:4")
    (Grain(channels=None, vector=1), Grain(channels=4, vector=1))
    """
    match = _WORD.fullmatch(word)
    if match is None or "0" in (match[1], match[2]):
        raise ValueError("granularity is tensor, channel, group:N (channels that share a table) or vector:N (weights per entry)")
    if match[2]:
        return Grain(None, int(match[2]))
    return Grain({"tensor": None, "channel": 1}.get(word, int(match[1] or 0)))


@dataclass(frozen=True, eq=False)
class Codebook:
    """An array as tables of entries and the index of each weight into its table."""

    #: [T, k, d]: T tables of k entries of d numbers each, sorted if d = 1
    tables: AnyArray
    #: uint8, shaped like the array; for vectors flat, [size / d]
    indices: U8
    #: shape of the array
    shape: tuple[int, ...]
    #: bits of an index
    bits: int
    #: what shares a table
    grain: Grain
    #: axis of the output channels in `shape`; each run of grain.channels of them shares a table
    axis: int


def encode(array: AnyArray, grain: Grain, axis: int, bits: int = 8) -> Codebook | None:
    """The codebook of an array, lossless, with the fewest index bits that suffice.

    None when `bits` are too few for the different values, or when the array does not divide into
    vectors.

    >>> book = encode(np.array([[1, 1, 5], [5, 1, 9]], np.int8), parse_grain("tensor"), axis=0)
    >>> book.bits, book.tables.reshape(-1).tolist(), book.indices.tolist()
    (2, [1, 5, 9], [[0, 0, 1], [1, 0, 2]])
    """
    if grain.vector > 1:
        return _encode_vectors(array, grain, axis, bits)
    cells = _cells(array, grain, axis)
    entries = [np.unique(cell) for cell in cells]
    size = max(len(entry) for entry in entries)
    if size > 2**bits:
        return None
    tables = np.stack([np.pad(entry, (0, size - len(entry)), mode="edge") for entry in entries])
    found = [np.searchsorted(entry, cell) for entry, cell in zip(entries, cells, strict=True)]
    indices = np.asarray(_from_cells([index.astype(np.uint8) for index in found], array.shape, axis), np.uint8)
    return Codebook(tables[..., None], indices, array.shape, _bits_for(size), grain, axis)


def decode(book: Codebook) -> AnyArray:
    """The array that the codebook encodes.

    >>> array = np.array([[1, 1, 5], [5, 1, 9]], np.int8)
    >>> book = encode(array, parse_grain("tensor"), axis=0)
    >>> bool((decode(book) == array).all())
    True
    """
    if book.grain.vector > 1:
        return _from_cells([book.tables[0][book.indices].reshape(-1)], book.shape, book.axis)
    cells = _cells(book.indices, book.grain, book.axis)
    values = [table[:, 0][cell] for table, cell in zip(book.tables, cells, strict=True)]
    return _from_cells(values, book.shape, book.axis)


def can_fold(numbers: int) -> bool:
    """Whether a runtime unpacks a stored weight of so many numbers when it loads the model.

    The largest of the nodes that unpack it gives int32 or float32.
    """
    return 4 * numbers <= FOLDED_BYTES


def stored_bytes(book: Codebook) -> int:
    """Bytes that a file holds for the array: packed indices and tables.

    Offsets and packing constants of a few bytes are left out.
    """
    tables = int(np.prod(book.tables.shape)) * book.tables.dtype.itemsize
    return packed_bytes(int(book.indices.size), book.bits) + tables


def codebook_bytes(size: int, bits: int, grain: Grain, channels: int, item: int) -> int:
    """The stored bytes of a codebook with full tables, before it is made.

    size: numbers of the array. item: bytes of one number of a table.
    """
    entries = grain.tables(channels) * (1 << bits) * grain.vector
    return packed_bytes(-(-size // grain.vector), bits) + entries * item


def as_runs(shape: tuple[int, ...], grain: Grain, axis: int) -> tuple[int, int, int]:
    """`shape` seen as [before, tables, rest], where every slice [:, t] belongs to table t.

    (0, 0, 0) when the tables cannot have equally many channels.
    """
    channels = shape[axis]
    run = channels if grain.channels is None else grain.channels
    if channels % run:
        return 0, 0, 0
    return math.prod(shape[:axis]), channels // run, run * math.prod(shape[axis + 1 :])


def _cells(array: AnyArray, grain: Grain, axis: int) -> list[AnyArray]:
    """The numbers that belong to each table, flat."""
    channels = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    run = len(channels) if grain.channels is None else grain.channels
    return [channels[start : start + run].reshape(-1) for start in range(0, max(len(channels), 1), max(run, 1))]


def turned(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """`shape` with the channel axis in front."""
    return (shape[axis], *shape[:axis], *shape[axis + 1 :])


def _from_cells(cells: list[AnyArray], shape: tuple[int, ...], axis: int) -> AnyArray:
    return np.ascontiguousarray(np.moveaxis(np.concatenate(cells).reshape(turned(shape, axis)), 0, axis))


def _encode_vectors(array: AnyArray, grain: Grain, axis: int, bits: int) -> Codebook | None:
    if array.size % grain.vector:
        return None
    (numbers,) = _cells(array, grain, axis)
    entries, indices = np.unique(numbers.reshape(-1, grain.vector), axis=0, return_inverse=True)
    if len(entries) > 2**bits:
        return None
    return Codebook(entries[None], indices.reshape(-1).astype(np.uint8), array.shape, _bits_for(len(entries)), grain, axis)


def _bits_for(size: int) -> int:
    return next(bits for bits in BITS if size <= 2**bits)
