"""Forms of whole blocks, as known architectures repeat them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.kernels.form_bodies import at_rows, gate, gelu, norm, silu
from benchmarks.kernels.form_layers import Form, picture
from benchmarks.kernels.form_net import FormNet

_layer_norm = norm("LayerNormalization")


def attention(heads_of: tuple[int, ...], normed: bool = True) -> Form:
    """Blocks of a transformer: attention of several heads, then two products with a GELU."""

    def form(net: FormNet) -> str:
        x = net.input(1, net.pick(16, 49, 128, 196), net.pick(64, 96, 128, 192))
        for _ in range(2):
            x = net.op("Add", x, _attended(net, _layer_norm(net, x) if normed else x, net.pick(*heads_of)))
            inner = gelu(net, net.linear(_layer_norm(net, x), 4 * net.shape(x)[2]))
            x = net.op("Add", x, net.linear(inner, net.shape(x)[2]))
        return net.linear(_layer_norm(net, x), 16)

    return form


def _attended(net: FormNet, x: str, heads: int) -> str:
    _, rows, width = net.shape(x)
    size = width // heads
    cut = [net.op("Reshape", net.linear(x, width), net.ints(1, rows, heads, size)) for _ in range(3)]
    query, value = (net.op("Transpose", part, perm=[0, 2, 1, 3]) for part in (cut[0], cut[2]))
    key = net.op("Transpose", cut[1], perm=[0, 2, 3, 1])
    scores = net.op("Mul", net.op("MatMul", query, key), net.constant(np.float32(size**-0.5)))
    y = net.op("Transpose", net.op("MatMul", net.op("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
    return net.linear(net.op("Reshape", y, net.ints(1, rows, width)), width)


def inverted(act: str, gated: bool, axes: int = 2) -> Form:
    """Widened, filtered channel by channel, narrowed, with a sum around it."""

    def form(net: FormNet) -> str:
        x = picture(net, axes, (16, 24, 32, 64))
        for _ in range(2):
            width = net.shape(x)[1]
            y = _acted(net, net.conv(x, width * 4), act)
            y = _acted(net, net.conv(y, width * 4, net.pick(3, 5), width * 4), act)
            y = gate("GlobalAveragePool")(net, y) if gated else y
            x = net.op("Add", x, net.conv(y, width))
        return x

    return form


def _acted(net: FormNet, x: str, act: str) -> str:
    return silu(net, x) if act == "silu" else gelu(net, x) if act == "gelu" else net.op(act, x)


def dense_block(net: FormNet) -> str:
    """Every layer reads all before it."""
    x = picture(net, 2, (16, 24, 32))
    for _ in range(4):
        y = net.op("Relu", net.conv(net.op("Relu", net.conv(x, 32)), 16, 3))
        x = net.op("Concat", x, y, axis=1)
    return net.conv(x, 16)


def hourglass(axes: int, mode: str) -> Form:
    """Down by pools, up again by Resize or ConvTranspose, joined with what was there before."""

    def form(net: FormNet) -> str:
        width = net.pick(8, 16)
        side = net.pick(*{1: (128, 512), 2: (32, 64), 3: (8, 16)}[axes])
        x = net.op("Relu", net.conv(net.input(1, net.pick(1, 3, 4), *[side] * axes), width, 3))
        kept = []
        for turn in range(2):
            kept.append(x)
            x = net.op("MaxPool", x, kernel_shape=[2] * axes, strides=[2] * axes)
            x = net.op("Relu", net.conv(net.op("Relu", net.conv(x, width * 2 << turn, 3)), width * 2 << turn, 3))
        for before in reversed(kept):
            up = net.shape(before)[1]
            if mode == "transposed":
                x = net.op("ConvTranspose", x, net.weight(net.shape(x)[1], up, *[2] * axes), strides=[2] * axes)
            else:
                scales = net.constant(np.array([1, 1, *[2] * axes], np.float32))
                x = net.op("Resize", x, "", scales, mode=mode, coordinate_transformation_mode="half_pixel")
            x = net.op("Relu", net.conv(net.op("Concat", x, before, axis=1), up, 3))
        return net.conv(x, 2)

    return form


def causal(net: FormNet) -> str:
    """Dilated layers over a signal with a gate and a sum (WaveNet, TCN)."""
    x = net.conv(net.input(1, net.pick(1, 16, 40), net.pick(100, 400, 1600)), net.pick(16, 32, 64))
    width = net.shape(x)[1]
    for turn in range(3):
        y = net.op("Mul", net.op("Tanh", net.conv(x, width, 3, 1, 1, 2**turn)), net.op("Sigmoid", net.conv(x, width, 3, 1, 1, 2**turn)))
        x = net.op("Add", x, net.conv(y, width))
    return x


def conformer(net: FormNet) -> str:
    """The convolution of a conformer: rows and columns turned around a depthwise layer."""
    x = net.input(1, net.pick(50, 100), net.pick(64, 128))
    for _ in range(2):
        width = net.shape(x)[2]
        y = net.op("Transpose", _layer_norm(net, x), perm=[0, 2, 1])
        y = silu(net, net.conv(net.conv(y, width), width, 15, width))
        x = net.op("Add", x, net.op("Transpose", net.conv(y, width), perm=[0, 2, 1]))
    return net.linear(x, 32)


def next_block(net: FormNet) -> str:
    """ConvNeXt: a large depthwise window, then products over channels that are last."""
    x = picture(net, 2, (32, 48, 96))
    for _ in range(2):
        width = net.shape(x)[1]
        y = _layer_norm(net, net.op("Transpose", net.conv(x, width, 7, width), perm=[0, 2, 3, 1]))
        y = net.linear(gelu(net, net.linear(y, 4 * width)), width)
        x = net.op("Add", x, net.op("Transpose", y, perm=[0, 3, 1, 2]))
    return x


def mixer(net: FormNet) -> str:
    """Products over rows and over columns in turns."""
    x = net.input(1, net.pick(49, 64, 196), net.pick(64, 128))
    for _ in range(2):
        rows, width = net.shape(x)[1:]
        y = net.op("Transpose", _layer_norm(net, x), perm=[0, 2, 1])
        y = net.linear(gelu(net, net.linear(y, rows // 2)), rows)
        x = net.op("Add", x, net.op("Transpose", y, perm=[0, 2, 1]))
        x = net.op("Add", x, net.linear(gelu(net, net.linear(_layer_norm(net, x), width * 2)), width))
    return x


def classifier(net: FormNet) -> str:
    """Layers, pools, a view as a vector, and products."""
    x = net.input(1, net.pick(1, 3), *[net.pick(28, 32, 64)] * 2)
    for width in (net.pick(8, 16, 32), net.pick(16, 32, 64)):
        x = net.op("MaxPool", net.op("Relu", net.conv(x, width, net.pick(3, 5))), kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Flatten", x)
    x = net.op("Relu", net.op("Gemm", x, net.weight(128, net.shape(x)[1]), net.vector(128), transB=1))
    return net.op("Softmax", net.op("Gemm", x, net.weight(10, 128), net.vector(10), transB=1))


def convolved_to_rows(net: FormNet) -> str:
    """A recognizer of lines: layers over a picture, then a recurrent layer over its columns."""
    x = net.input(1, 1, 32, net.pick(64, 128))
    for width in (16, 32, 64):
        x = net.op("MaxPool", net.op("Relu", net.conv(x, width, 3)), kernel_shape=[2, 2], strides=[2, 2])
    _, width, high, long = net.shape(x)
    x = net.op("Transpose", net.op("Reshape", x, net.ints(1, width * high, long)), perm=[2, 0, 1])
    hidden = net.pick(32, 64)
    weights = [net.weight(1, 4 * hidden, size, inner=size * 2) for size in (width * high, hidden)]
    x = net.op("LSTM", x, *weights, net.vector(1, 8 * hidden), hidden_size=hidden)
    return net.linear(net.op("Reshape", x, net.ints(long, 1, hidden)), 40)


BLOCKS: Mapping[str, Form] = {
    "attention": attention((2, 4)),
    "attention, many heads": attention((8,)),
    "attention, bare": attention((4,), normed=False),
    **{f"inverted {act.lower()}{' gated' if gated else ''}": inverted(act, gated)
       for act in ("Relu", "HardSwish", "silu", "gelu", "LeakyRelu") for gated in (False, True)},
    "inverted 1d": inverted("Relu", gated=False, axes=1),
    "inverted 1d gelu": inverted("gelu", gated=False, axes=1),
    "inverted 3d": inverted("Relu", gated=False, axes=3),
    "dense block": dense_block,
    **{f"hourglass {axes}d {mode}": hourglass(axes, mode) for axes in (1, 2, 3) for mode in ("transposed", "linear", "nearest")},
    "causal": causal,
    "conformer": conformer,
    "next": next_block,
    "mixer": mixer,
    "classifier": classifier,
    "line reader": convolved_to_rows,
    "swish rows": at_rows(silu),
}  # fmt: skip
