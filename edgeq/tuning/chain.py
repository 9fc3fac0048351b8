"""A chain: blocks in a row that tell figures of one kind of work, and how rows of them are
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.tuning.blocks import Block


@dataclass(frozen=True, eq=False)
class Chain:
    """Blocks whose time tells figures of one kind of work; others in it were told before."""

    #: kind of work (edgeq/planning/cost/work.py)
    kind: str
    #: shape of what the first block reads
    shape: tuple[int, ...]
    block: Block


def pictures(kind: str, *rows: tuple[Block, int, int]) -> Sequence[Chain]:
    """Chains of pictures: (block, channels, side)."""
    return [Chain(kind, (1, channels, side, side), block) for block, channels, side in rows]


def lines(kind: str, *rows: tuple[Block, int, int]) -> Sequence[Chain]:
    """Chains of signals: (block, channels, length)."""
    return [Chain(kind, (1, channels, length), block) for block, channels, length in rows]


def volumes(kind: str, *rows: tuple[Block, int, int]) -> Sequence[Chain]:
    """Chains of volumes: (block, channels, side)."""
    return [Chain(kind, (1, channels, side, side, side), block) for block, channels, side in rows]


def images(kind: str, block: Block, *sizes: tuple[int, int]) -> Sequence[Chain]:
    """Chains of pictures of several sizes (channels, side)."""
    return pictures(kind, *((block, channels, side) for channels, side in sizes or ((8, 28), (32, 28), (64, 28), (96, 7))))


def vectors(kind: str, block: Block, rows: Sequence[tuple[int, ...]] = ((1, 256), (64, 64), (128, 512))) -> Sequence[Chain]:
    """Chains of rows: (rows, columns)."""
    return [Chain(kind, shape, block) for shape in rows]
