"""The blocks of the chains that are timed: nodes as they follow one another in networks.

A block ends with the shape that it begins with, so that it can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable

from edgeq.tuning.network import Network, Tensor

#: float layers of an island between integer ones
FLOAT_LAYERS = 2
#: adds one block behind a value
Block = Callable[[Network, Tensor], Tensor]


def convs(*layers: tuple[int, int, int]) -> Block:
    """Layers of (channels, side of the window, groups)."""

    def block(net: Network, x: Tensor) -> Tensor:
        for channels, kernel, groups in layers:
            x = net.conv(x, channels, kernel, groups=groups)
        return x

    return block


def first(inner: int, kernel: int, stride: int) -> Block:
    """A layer of an input of few channels, added to what the block before made.

    A layer in front of the first block gives what is added the layout that layers make.
    """

    def block(net: Network, x: Tensor) -> Tensor:
        x = net.conv(x, x.shape[1]) if x == net.first else x
        picture = net.beside(x.shape[0], inner, *(size * stride for size in x.shape[2:]))
        y = net.conv(picture, x.shape[1], kernel, stride=stride)
        return net.add("Add", [y.name, x.name], x.shape)

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
    gate = net.beside(1, x.shape[1], 1, 1)
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
    """A pool of windows of side 3 at every place, behind a layer."""

    def block(net: Network, x: Tensor) -> Tensor:
        axes = len(x.shape) - 2
        y = net.conv(x, x.shape[1])
        return net.add(op_type, [y.name], y.shape, kernel_shape=[3] * axes, pads=[1] * 2 * axes)

    return block


def converted(net: Network, x: Tensor) -> Tensor:
    """A float operator, for which codes become floats and floats codes."""
    return net.add("Neg", [x.name], x.shape)


def island(net: Network, x: Tensor) -> Tensor:
    """Float layers behind an integer one."""
    return net.float_convs(net.conv(x, x.shape[1]), FLOAT_LAYERS)
