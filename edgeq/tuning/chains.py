"""The chains that are timed: for every kind of work, blocks of nodes as they follow one another in
networks.

A block ends with the shape that it begins with, so that it can be repeated: what one more block
adds to a network's time is its own, without the ends of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeq.tuning.network import Network, Tensor

#: float layers of an island between integer ones
FLOAT_LAYERS = 2
#: adds one block behind a value
Block = Callable[[Network, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Chain:
    """Blocks whose time tells figures of one kind of work; others in it were told before."""

    #: kind of work (edgeq/planning/cost/work.py)
    kind: str
    #: shape of what the first block reads
    shape: tuple[int, ...]
    block: Block


def convs(*layers: tuple[int, int, int]) -> Block:
    """Layers of (channels, side of the window, groups)."""

    def block(net: Network, x: Tensor) -> Tensor:
        for channels, kernel, groups in layers:
            x = net.conv(x, channels, kernel, groups=groups)
        return x

    return block


def gemms(*widths: int) -> Block:
    """Layers of so many columns."""

    def block(net: Network, x: Tensor) -> Tensor:
        for width in widths:
            x = net.gemm(x, width)
        return x

    return block


def function(op_type: str, **attributes: float) -> Block:
    """An operator of one input, behind a pointwise Conv where its input is a picture."""

    def block(net: Network, x: Tensor) -> Tensor:
        if len(x.shape) == 4:
            x = net.conv(x, x.shape[1])
        return net.add(op_type, [x.name], x.shape, **attributes)

    return block


def joined(op_type: str) -> Block:
    """An operator that joins a value with one from before."""

    def block(net: Network, x: Tensor) -> Tensor:
        return net.add(op_type, [x.name, net.first.name], x.shape)

    return block


def gated(net: Network, x: Tensor) -> Tensor:
    """A product with one number a channel, behind a layer."""
    gate = net.gate(x.shape[1])
    y = net.conv(x, x.shape[1])
    return net.add("Mul", [y.name, gate.name], y.shape)


def squeezed(net: Network, x: Tensor) -> Tensor:
    """A gate that is the mean of every channel."""
    y = net.conv(x, x.shape[1])
    gate = net.add("GlobalAveragePool", [y.name], (1, x.shape[1], 1, 1))
    return net.add("Mul", [y.name, gate.name], y.shape)


def concatenated(net: Network, x: Tensor) -> Tensor:
    """Two halves side by side, each made by a layer."""
    half = x.shape[1] // 2
    one, two = net.conv(x, half), net.conv(x, half)
    return net.add("Concat", [one.name, two.name], x.shape, axis=1)


def window(op_type: str) -> Block:
    """A pool of 3 x 3 at every place, behind a layer."""

    def block(net: Network, x: Tensor) -> Tensor:
        y = net.conv(x, x.shape[1])
        return net.add(op_type, [y.name], y.shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    return block


def converted(net: Network, x: Tensor) -> Tensor:
    """A float operator, for which codes become floats and floats codes."""
    return net.add("Neg", [x.name], x.shape)


def island(net: Network, x: Tensor) -> Tensor:
    """Float layers behind an integer one."""
    return net.float_convs(net.conv(x, x.shape[1]), FLOAT_LAYERS)


def _pictures(kind: str, *rows: tuple[Block, int, int]) -> Sequence[Chain]:
    """Chains of pictures: (block, channels, side)."""
    return [Chain(kind, (1, channels, side, side), block) for block, channels, side in rows]


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
            (8, 3, 56), (16, 3, 28), (24, 3, 28), (32, 3, 28), (64, 3, 14), (128, 3, 7), (16, 5, 28), (64, 3, 4),
        )),
        (convs((32, 3, 1), (16, 3, 1)), 16, 28), (convs((64, 3, 1), (8, 3, 1)), 8, 28),
    ),
    *_pictures(
        "Conv.first",
        *((convs((channels, kernel, 1), (inner, 1, 1)), inner, side) for inner, channels, kernel, side in (
            (3, 8, 3, 56), (3, 16, 3, 56), (3, 32, 3, 56), (3, 64, 7, 28), (1, 16, 3, 56), (1, 32, 5, 28), (3, 16, 3, 14),
        )),
    ),
    *_pictures(
        "Conv.grouped",
        (convs((32, 3, 4)), 32, 28), (convs((64, 3, 4)), 64, 14), (convs((128, 3, 32)), 128, 14), (convs((64, 1, 4)), 64, 14),
    ),
    *(Chain("Gemm", (rows, width), gemms(*([width] if width == other else [other, width]))) for rows, width, other in (
        (1, 64, 64), (1, 256, 256), (1, 1024, 1024), (8, 256, 256), (64, 256, 256), (128, 64, 64), (32, 512, 128), (1, 640, 128),
        (128, 384, 384),
    )),
    *_vectors("Add", joined("Add")),
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
    *_images("QuantizeLinear.image", island),
)  # fmt: skip
