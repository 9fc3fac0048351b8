"""Blocks of operators that move or select elements, at convolutions and between products."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edgeq.tuning.blocks import Block
from edgeq.tuning.network import Network, Tensor


def at_images(op_type: str, channels: float = 1.0, **attributes: Any) -> Block:  # as ONNX takes them
    """The operator behind a layer that makes so many times as many channels as the block."""

    def block(net: Network, x: Tensor) -> Tensor:
        y = net.conv(x, round(x.shape[1] * channels))
        return _moved(net, op_type, y, 1, x.shape, attributes)

    return block


def at_rows(op_type: str, columns: float = 1.0, **attributes: Any) -> Block:
    """The operator behind a product that makes so many times as many columns as the block."""

    def block(net: Network, x: Tensor) -> Tensor:
        y = net.gemm(x, round(x.shape[1] * columns))
        return _moved(net, op_type, y, 1, x.shape, attributes)

    return block


def resized(mode: str) -> Block:
    """Twice the side, behind a layer that halves it."""

    def block(net: Network, x: Tensor) -> Tensor:
        y = net.conv(x, x.shape[1], stride=2)
        scales = net.constant(np.array([1, 1] + [2] * (len(x.shape) - 2), np.float32))
        nearest = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"} if mode == "nearest" else {}
        return net.add("Resize", [y.name, "", scales], x.shape, mode=mode, **nearest)

    return block


def resized_rows(mode: str) -> Block:
    """Half the side by a function and a cut, twice the side again: no layer is near."""

    def block(net: Network, x: Tensor) -> Tensor:
        half = (*x.shape[:2], *(size // 2 for size in x.shape[2:]))
        ends = [net.constant(np.array(numbers, np.int64)) for numbers in ([0, 0], list(half[2:]), [2, 3])]
        y = net.add("Sigmoid", [net.add("Slice", [x.name, *ends], half).name], half)
        scales = net.constant(np.array([1, 1, 2, 2], np.float32))
        nearest = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"} if mode == "nearest" else {}
        return net.add("Resize", [y.name, "", scales], x.shape, mode=mode, **nearest)

    return block


def gated_rows(net: Network, x: Tensor) -> Tensor:
    """A product with one number a row."""
    return net.add("Mul", [x.name, net.beside(x.shape[0], 1).name], x.shape)


def spread(net: Network, x: Tensor) -> Tensor:
    """Channels become places, behind a layer on half the side."""
    y = net.conv(x, 4 * x.shape[1], stride=2)
    return net.add("DepthToSpace", [y.name], x.shape, blocksize=2)


def shuffled(net: Network, x: Tensor) -> Tensor:
    """Two groups of channels in turns, behind a layer."""
    y = net.conv(x, x.shape[1])
    one, width, *sides = y.shape
    y = net.view(y, (one, 2, width // 2, *sides))
    y = net.add("Transpose", [y.name], (one, width // 2, 2, *sides), perm=[0, 2, 1, *range(3, len(sides) + 3)])
    return net.view(y, x.shape)


def headed(net: Network, x: Tensor) -> Tensor:
    """Rows and heads change places, behind a function."""
    y = net.add("Sigmoid", [x.name], x.shape)
    rows, width = x.shape
    y = net.add("Transpose", [net.view(y, (rows, 4, width // 4)).name], (4, rows, width // 4), perm=[1, 0, 2])
    return net.view(y, x.shape)


def split_in_two(net: Network, x: Tensor) -> Tensor:
    """Two halves of what a layer made are added."""
    y = net.conv(x, 2 * x.shape[1]) if len(x.shape) > 2 else net.gemm(x, 2 * x.shape[1])
    sizes = net.constant(np.array([x.shape[1]] * 2, np.int64))
    one, two = net.split(y, sizes, x.shape)
    return net.add("Add", [one.name, two.name], x.shape)


def reduced(net: Network, x: Tensor) -> Tensor:
    """The largest of every channel (or row) is added to the value."""
    axes = list(range(2, len(x.shape))) if len(x.shape) > 2 else [1]
    y = net.conv(x, x.shape[1]) if len(x.shape) > 2 else net.gemm(x, x.shape[1])
    most = net.add("ReduceMax", [y.name], tuple(1 if axis in axes else size for axis, size in enumerate(x.shape)), axes=axes)
    return net.add("Add", [y.name, most.name], x.shape)


def two_products(net: Network, x: Tensor) -> Tensor:
    """Two halves side by side, each made by a product."""
    half = x.shape[1] // 2
    parts = [net.gemm(x, half).name for _ in range(2)]
    return net.add("Concat", parts, x.shape, axis=1)


def halving(op_type: str) -> Block:
    """A pool of windows of two that do not overlap, and a Resize back."""

    def block(net: Network, x: Tensor) -> Tensor:
        axes = len(x.shape) - 2
        y = net.conv(x, x.shape[1])
        shape = (*x.shape[:2], *(size // 2 for size in x.shape[2:]))
        y = net.add(op_type, [y.name], shape, kernel_shape=[2] * axes, strides=[2] * axes)
        scales = net.constant(np.array([1, 1] + [2] * axes, np.float32))
        nearest = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return net.add("Resize", [y.name, "", scales], x.shape, **nearest)

    return block


def hard_sigmoid(net: Network, x: Tensor) -> Tensor:
    """Of codes it is a sum that saturates (passes/place/hard_sigmoid_to_add.py)."""
    y = net.conv(x, x.shape[1]) if len(x.shape) > 2 else net.gemm(x, x.shape[1])
    if not net.codes:
        return net.add("HardSigmoid", [y.name], x.shape, alpha=1 / 6, beta=0.5)
    return net.add("Add", [y.name, net.held_constant(np.float32(0.5))], x.shape)


def _moved(net: Network, op_type: str, y: Tensor, axis: int, shape: tuple[int, ...], attributes: dict[str, Any]) -> Tensor:
    if op_type == "Slice":
        ends = [net.constant(np.array([number], np.int64)) for number in (y.shape[axis] - shape[axis], y.shape[axis], axis)]
        return net.add("Slice", [y.name, *ends], shape)
    if op_type == "Gather":
        turned = net.constant(np.arange(shape[axis])[::-1].astype(np.int64).copy())
        return net.add("Gather", [y.name, turned], shape, axis=axis)
    if op_type == "Tile":
        repeats = net.constant(np.array([size // made for size, made in zip(shape, y.shape, strict=True)], np.int64))
        return net.add("Tile", [y.name, repeats], shape)
    assert prod(y.shape) == prod(shape)
    return net.add(op_type, [y.name], shape, **attributes)
