"""The chains that are timed: for every kind of work, blocks of several sizes that are repeated.

What one more block adds to a network's time is its own, without the ends of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.tuning.blocks import (
    Block,
    concatenated,
    converted,
    convs,
    first,
    function,
    gated,
    gemms,
    island,
    joined,
    squeezed,
    window,
)


@dataclass(frozen=True, eq=False)
class Chain:
    """Blocks whose time tells figures of one kind of work; others in it were told before."""

    #: kind of work (edgeq/planning/cost/work.py)
    kind: str
    #: shape of what the first block reads
    shape: tuple[int, ...]
    block: Block


def _pictures(kind: str, *rows: tuple[Block, int, int]) -> Sequence[Chain]:
    """Chains of pictures: (block, channels, side)."""
    return [Chain(kind, (1, channels, side, side), block) for block, channels, side in rows]


def _lines(kind: str, *rows: tuple[Block, int, int]) -> Sequence[Chain]:
    """Chains of signals: (block, channels, length)."""
    return [Chain(kind, (1, channels, length), block) for block, channels, length in rows]


def _images(kind: str, block: Block) -> Sequence[Chain]:
    return _pictures(kind, (block, 8, 28), (block, 32, 28), (block, 64, 28), (block, 96, 7))


def _vectors(kind: str, block: Block, rows: Sequence[tuple[int, ...]] = ((1, 256), (64, 64), (128, 512))) -> Sequence[Chain]:
    return [Chain(kind, shape, block) for shape in rows]


#: in the order in which their figures are told
CHAINS: tuple[Chain, ...] = (
    *_pictures(
        "Conv.pointwise",
        *((convs((channels, 1, 1)), channels, side) for channels, side in (
            (8, 56), (16, 56), (24, 28), (32, 28), (48, 14), (64, 28), (128, 14), (256, 7), (64, 1), (200, 1),
        )),
        (convs((64, 1, 1), (16, 1, 1)), 16, 28), (convs((16, 1, 1), (8, 1, 1)), 8, 56), (convs((8, 1, 1), (96, 1, 1)), 96, 1),
    ),
    *_pictures(
        "Conv.depthwise",
        *((convs((channels, kernel, channels)), channels, side) for channels, kernel, side in (
            (8, 3, 56), (16, 3, 56), (24, 3, 28), (32, 3, 28), (64, 3, 28), (128, 3, 14), (256, 3, 7),
            (40, 5, 14), (64, 5, 14), (104, 5, 7),
        )),
    ),
    *_pictures(
        "Conv.dense",
        *((convs((channels, kernel, 1)), channels, side) for channels, kernel, side in (
            (8, 3, 56), (16, 3, 28), (24, 3, 28), (32, 3, 28), (64, 3, 14), (128, 3, 7), (16, 5, 28), (64, 3, 4), (8, 9, 28),
        )),
        (convs((32, 3, 1), (16, 3, 1)), 16, 28), (convs((64, 3, 1), (8, 3, 1)), 8, 28),
    ),
    *_pictures(
        "Conv.grouped",
        (convs((32, 3, 4)), 32, 28), (convs((64, 3, 4)), 64, 14), (convs((128, 3, 32)), 128, 14), (convs((64, 1, 4)), 64, 14),
    ),
    *(Chain("Gemm", (rows, width), gemms(*([width] if width == other else [other, width]))) for rows, width, other in (
        (1, 64, 64), (1, 256, 256), (1, 1024, 1024), (8, 256, 256), (64, 256, 256), (128, 64, 64), (32, 512, 128), (1, 640, 128),
        (128, 384, 384),
    )),
    *_lines(
        "Conv.pointwise.line",
        *((convs((channels, 1, 1)), channels, length) for channels, length in (
            (8, 1600), (16, 400), (24, 49), (32, 200), (64, 100), (96, 400), (128, 64), (256, 16),
        )),
    ),
    *_lines(
        "Conv.depthwise.line",
        *((convs((channels, kernel, channels)), channels, length) for channels, kernel, length in (
            (16, 3, 400), (24, 5, 49), (32, 3, 200), (64, 9, 100), (96, 15, 400), (128, 31, 64), (256, 3, 16),
        )),
    ),
    *_lines(
        "Conv.dense.line",
        *((convs((channels, kernel, 1)), channels, length) for channels, kernel, length in (
            (16, 3, 400), (24, 5, 49), (32, 3, 200), (40, 7, 100), (48, 3, 100), (64, 9, 100), (128, 3, 64), (256, 3, 16), (128, 3, 4),
        )),
    ),
    *_lines("Conv.grouped.line", (convs((32, 3, 4)), 32, 200), (convs((64, 5, 8)), 64, 100), (convs((128, 1, 4)), 128, 64)),
    *_vectors("Add", joined("Add")),
    *_pictures(
        "Conv.first",
        *((first(inner, kernel, stride), channels, side) for inner, channels, kernel, stride, side in (
            (3, 8, 3, 2, 48), (3, 16, 3, 1, 56), (3, 16, 3, 2, 28), (3, 32, 3, 2, 56), (3, 64, 7, 2, 28), (1, 16, 3, 1, 56),
            (1, 32, 5, 1, 28), (1, 64, 7, 2, 14), (3, 24, 3, 2, 14),
            (1, 8, 15, 1, 28),
        )),
    ),
    *_pictures("Conv.single", (first(1, 15, 1), 1, 28), (first(1, 5, 1), 1, 56)),
    *_lines("Conv.single.line", (first(1, 129, 1), 1, 400), (first(1, 25, 2), 1, 1600)),
    *_lines(
        "Conv.first.line",
        *((first(inner, kernel, stride), channels, length) for inner, channels, kernel, stride, length in (
            (1, 16, 80, 4, 500), (1, 32, 25, 1, 100), (1, 8, 9, 2, 400), (3, 32, 5, 1, 200), (1, 64, 16, 8, 100),
            (1, 256, 256, 64, 4), (1, 8, 65, 1, 400),
        )),
    ),
    *_vectors("Mul", joined("Mul")),
    *_vectors("Sigmoid", function("Sigmoid")),
    *_vectors("Tanh", function("Tanh")),
    *_vectors("LeakyRelu", function("LeakyRelu", alpha=0.1)),
    *_vectors("Softmax", function("Softmax"), ((64, 32), (64, 128), (128, 512))),
    *_images("Mul.spread", gated),
    *_images("GlobalAveragePool", squeezed),
    *_images("Concat", concatenated),
    *_images("AveragePool", window("AveragePool")),
    *_images("MaxPool", window("MaxPool")),
    *_vectors("QuantizeLinear", converted),
    *_lines("QuantizeLinear.turned", (island, 8, 784), (island, 32, 784), (island, 64, 784), (island, 96, 49)),
    *_images("QuantizeLinear.image", island),
)  # fmt: skip
