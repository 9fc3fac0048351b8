"""Forms of layers: convolutions over one, two and three axes, products, recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.kernels.form_net import FormNet

#: writes a network of one form in sizes drawn by its seed; returns its output
Form = Callable[[FormNet], str]
#: values of a sample of every form, at least and at most: what small networks have
SIDES = {1: (32, 100, 400, 1600), 2: (7, 14, 28, 56), 3: (4, 8, 16)}
CHANNELS = (8, 12, 16, 24, 32, 48, 64, 96, 128)


def picture(net: FormNet, axes: int, channels: tuple[int, ...] = CHANNELS, batch: int = 1) -> str:
    """An input of so many axes: many channels only on few places, as networks have them."""
    side, width = net.pick(*SIDES[axes]), net.pick(*channels)
    while side**axes * width * batch > 120_000:
        side = max(side // 2, 2)
    return net.input(batch, width, *[side] * axes)


def stack(
    axes: int, kernel: int, *, groups: int | str = 1, act: str | None = "Relu", stride: int = 1, dilation: int = 1, batch: int = 1
) -> Form:
    """Three layers of one kind; groups: a number, or `each` for one a channel."""

    def form(net: FormNet) -> str:
        x = picture(net, axes, batch=batch)
        for turn in range(3):
            inner = net.shape(x)[1]
            count = inner if groups == "each" else int(groups)
            width = inner if groups == "each" else net.pick(*(c for c in CHANNELS if c % count == 0 and inner / 2 <= c <= inner * 2))
            x = net.conv(x, width, kernel, count, stride if turn < 2 else 1, dilation)
            x = net.op(act, x) if act else x
        return x

    return form


def first(axes: int, channels: int, kernel: int, stride: int) -> Form:
    """A layer of few channels, and two behind it."""

    def form(net: FormNet) -> str:
        side = net.pick(*SIDES[axes][1:]) * stride
        x = net.input(1, channels, *[side] * axes)
        x = net.op("Relu", net.conv(x, net.pick(8, 16, 32, 64), kernel, 1, stride))
        for _ in range(2):
            x = net.op("Relu", net.conv(x, net.pick(8, 16, 32, 64), 3))
        return x

    return form


def separable(axes: int, kernel: int, act: str = "Relu") -> Form:
    """Depthwise and pointwise layers in turns."""

    def form(net: FormNet) -> str:
        x = picture(net, axes)
        for _ in range(2):
            width = net.shape(x)[1]
            x = net.op(act, net.conv(x, width, kernel, width))
            x = net.op(act, net.conv(x, net.pick(16, 32, 64, 96), 1))
        return x

    return form


def multiplied(axes: int) -> Form:
    """Depthwise layers that make two channels of each."""

    def form(net: FormNet) -> str:
        x = picture(net, axes, (8, 16, 32))
        for _ in range(2):
            width = net.shape(x)[1]
            x = net.op("Relu", net.conv(x, width * 2, 3, width))
        return net.conv(x, width, 1)

    return form


def transposed(axes: int, kernel: int, stride: int, groups: int | str = 1) -> Form:
    """Layers around a transposed convolution."""

    def form(net: FormNet) -> str:
        x = picture(net, axes, (16, 32, 64))
        x = net.op("Relu", net.conv(x, net.shape(x)[1], 3))
        width = net.shape(x)[1]
        count = width if groups == "each" else int(groups)
        pads, ends = [(kernel - stride) // 2] * axes, [kernel - stride - (kernel - stride) // 2] * axes
        weight = net.weight(width, max(width // 2, 1) if count == 1 else width // count, *[kernel] * axes)
        x = net.op("ConvTranspose", x, weight, strides=[stride] * axes, pads=[*pads, *ends], group=count)
        return net.conv(net.op("Relu", x), net.pick(8, 16, 32), 3)

    return form


def sided(*kernels: tuple[int, int]) -> Form:
    """Windows of unequal sides."""

    def form(net: FormNet) -> str:
        x = picture(net, 2)
        for kernel in kernels:
            x = net.op("Relu", net.conv(x, net.shape(x)[1], kernel))
        return x

    return form


def products(rows: tuple[int, ...], ranks: int = 2, act: str | None = "Relu", bias: bool = True) -> Form:
    """Products with constants one behind the other."""

    def form(net: FormNet) -> str:
        x = net.input(*[1] * (ranks - 2), net.pick(*rows), net.pick(32, 64, 128, 256, 512))
        for _ in range(3):
            x = net.linear(x, net.pick(32, 64, 128, 256, 512), bias)
            x = net.op(act, x) if act else x
        return x

    return form


def gemms(net: FormNet) -> str:
    """Gemms with their weights turned, as torch writes them."""
    x = net.input(net.pick(1, 1, 4, 32, 128), net.pick(10, 64, 128, 640))
    for _ in range(3):
        width, columns = net.shape(x)[1], net.pick(8, 10, 64, 128, 300)
        x = net.op("Relu", net.op("Gemm", x, net.weight(columns, width), net.vector(columns), transB=1))
    return x


def recurrent(op_type: str, hidden: tuple[int, ...], direction: str = "forward") -> Form:
    """A recurrent layer behind an embedding of numbers, and a product behind it."""

    def form(net: FormNet) -> str:
        steps, width, count, ways = net.pick(16, 50), net.pick(16, 32, 64), net.pick(*hidden), 2 if direction == "bidirectional" else 1
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type]
        x = net.linear(net.input(steps, 1, net.pick(16, 40)), width)
        weights = [net.weight(ways, gates * count, size, inner=size * 2) for size in (width, count)]
        bias = net.vector(ways, 2 * gates * count)
        x = net.op(op_type, x, *weights, bias, hidden_size=count, direction=direction)
        x = net.op("Reshape", net.op("Transpose", x, perm=[0, 2, 1, 3]), net.ints(steps, 1, ways * count))
        return net.linear(x, net.pick(8, 32, 64))

    return form


def _convolutions() -> Mapping[str, Form]:
    rows: dict[str, Form] = {}
    for axes in (1, 2, 3):
        at = f"conv{axes}d"
        rows |= {
            f"{at} dense": stack(axes, 3),
            f"{at} dense bare": stack(axes, 3, act=None),
            f"{at} dense 5": stack(axes, 5),
            f"{at} strided": stack(axes, 3, stride=2),
            f"{at} dilated": stack(axes, 3, dilation=2),
            f"{at} batch": stack(axes, 3, batch=4),
            f"{at} pointwise": stack(axes, 1),
            f"{at} pointwise strided": stack(axes, 1, stride=2),
            f"{at} pointwise batch": stack(axes, 1, batch=4),
            f"{at} depthwise": stack(axes, 3, groups="each"),
            f"{at} depthwise 7": stack(axes, 7, groups="each") if axes < 3 else stack(axes, 5, groups="each"),
            f"{at} depthwise dilated": stack(axes, 3, groups="each", dilation=2),
            f"{at} depthwise strided": stack(axes, 3, groups="each", stride=2),
            f"{at} multiplied": multiplied(axes),
            f"{at} grouped": stack(axes, 3, groups=4),
            f"{at} grouped pointwise": stack(axes, 1, groups=4),
            f"{at} separable": separable(axes, 3),
            f"{at} separable silu": separable(axes, 3, "HardSwish") if axes == 2 else separable(axes, 3, "LeakyRelu"),
            f"{at} first 1": first(axes, 1, 3, 1),
            f"{at} first 3": first(axes, 3, 3, 2),
            f"{at} first 1 wide": first(axes, 1, 7, 2),
            f"{at} transposed 2": transposed(axes, 2, 2),
            f"{at} transposed 4": transposed(axes, 4, 2),
            f"{at} transposed each": transposed(axes, 4, 2, "each"),
        }
    return {**rows, "conv2d 1x7": sided((1, 7), (7, 1), (1, 7)), "conv2d 1x3": sided((1, 3), (3, 1), (1, 1))}


LAYERS: Mapping[str, Form] = {
    **_convolutions(),
    "gemm": gemms,
    "matmul rows 1": products((1,)),
    "matmul rows": products((16, 64, 128)),
    "matmul rank 3": products((1, 16, 50, 128), 3),
    "matmul rank 4": products((16, 50), 4),
    "matmul bare": products((16, 50), 3, act=None, bias=False),
    "matmul gelu-less": products((64, 196), 3, act="Sigmoid"),
    "lstm": recurrent("LSTM", (16, 32, 48, 64, 128)),
    "lstm both": recurrent("LSTM", (32, 64, 128), "bidirectional"),
    "gru": recurrent("GRU", (32, 64, 128)),
    "rnn": recurrent("RNN", (32, 128)),
}
