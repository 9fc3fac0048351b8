"""What moves elements between layers: Resize, Concat, Split, Slice, Pad, Gather, Transpose."""

from __future__ import annotations

import numpy as np

from benchmarks.kernels.form_bodies import Body
from benchmarks.kernels.form_net import FormNet


def resized(mode: str, half: str, factor: float = 2.0) -> Body:
    def body(net: FormNet, x: str) -> str:
        axes = len(net.shape(x)) - 2
        scales = net.constant(np.array([1, 1, *[factor] * axes], np.float32))
        nearest = {"nearest_mode": "floor"} if mode == "nearest" else {}
        return net.op("Resize", x, "", scales, mode=mode, coordinate_transformation_mode=half, **nearest)

    return body


def shuffled(net: FormNet, x: str) -> str:
    return net.op("DepthToSpace", net.conv(x, 4 * net.pick(8, 16), 1), blocksize=2)


def unshuffled(net: FormNet, x: str) -> str:
    return net.op("SpaceToDepth", x, blocksize=2) if net.shape(x)[-1] % 2 == 0 else net.op("Relu", x)


def beside(count: int, axis: int = 1) -> Body:
    """Several layers of the value side by side."""

    def body(net: FormNet, x: str) -> str:
        rows = len(net.shape(x)) == 3
        parts = [
            net.linear(x, 32) if rows else net.op("Relu", net.conv(x, net.pick(8, 16, 24), 1 + 2 * (turn % 2))) for turn in range(count)
        ]
        return net.op("Concat", *parts, axis=axis)

    return body


def halves(net: FormNet, x: str) -> str:
    """A split in two, one half of which passes a function."""
    axis = 2 if len(net.shape(x)) == 3 else 1
    width = net.shape(x)[axis] // 2
    one = net.op("Split", x, net.ints(width, net.shape(x)[axis] - width), outputs=2, axis=axis)
    return net.op("Concat", net.op("Relu", one), f"{one}_1", axis=axis)


def gated_halves(net: FormNet, x: str) -> str:
    """A gated linear unit over the channels (or columns)."""
    axis = 2 if len(net.shape(x)) == 3 else 1
    width = net.shape(x)[axis] // 2
    one = net.op("Split", x, net.ints(width, width), outputs=2, axis=axis)
    return net.op("Mul", one, net.op("Sigmoid", f"{one}_1"))


def sliced(net: FormNet, x: str) -> str:
    axis = 1 if len(net.shape(x)) == 3 else 2
    return net.op("Slice", x, net.ints(1), net.ints(net.shape(x)[axis]), net.ints(axis))


def padded(mode: str) -> Body:
    def body(net: FormNet, x: str) -> str:
        axes = len(net.shape(x)) - 2
        pads = net.ints(0, 0, *[1] * axes, 0, 0, *[1] * axes)
        return net.op("Pad", x, pads, **({"mode": mode}))

    return body


def taken(net: FormNet, x: str) -> str:
    """Channels (or rows) in another order."""
    return net.op("Gather", x, net.constant(np.arange(net.shape(x)[1])[::-1].copy()), axis=1)


def turned(net: FormNet, x: str) -> str:
    """Channels last and back again, with a function between."""
    rank = len(net.shape(x))
    y = net.op("Relu", net.op("Transpose", x, perm=[0, *range(2, rank), 1]))
    return net.op("Transpose", y, perm=[0, rank - 1, *range(1, rank - 1)])


def mixed(net: FormNet, x: str) -> str:
    """Groups of channels in turns, by views and a turn."""
    one, width, *sides = net.shape(x)
    y = net.op("Transpose", net.op("Reshape", x, net.ints(one, 2, width // 2, *sides)), perm=[0, 2, 1, *range(3, len(sides) + 3)])
    return net.op("Reshape", y, net.ints(one, width, *sides))


def tiled(net: FormNet, x: str) -> str:
    return net.op("Tile", x, net.ints(1, 2, *[1] * (len(net.shape(x)) - 2)))


def where(net: FormNet, x: str) -> str:
    mask = net.constant(np.arange(net.shape(x)[-1]) % 2 == 0)
    return net.op("Where", mask, x, net.op("Relu", x))
