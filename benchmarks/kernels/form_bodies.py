"""Networks of what lies between layers: functions, sums, pools, norms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.kernels.form_layers import Form, picture
from benchmarks.kernels.form_net import FormNet

#: writes nodes behind a value; returns the last one's output
Body = Callable[[FormNet, str], str]


def at_pictures(body: Body, axes: int = 2, kernel: int = 3) -> Form:
    """Twice a layer and the body behind it, and a layer at the end."""

    def form(net: FormNet) -> str:
        x = picture(net, axes)
        for _ in range(2):
            x = body(net, net.conv(x, net.pick(8, 16, 32, 64), kernel))
        return net.conv(x, net.pick(8, 16, 32), 1)

    return form


def at_rows(body: Body) -> Form:
    """The same with products with constants, [1, rows, columns]."""

    def form(net: FormNet) -> str:
        x = net.input(1, net.pick(16, 50, 128), net.pick(64, 128, 256))
        for _ in range(2):
            x = body(net, net.linear(x, net.pick(64, 128, 256)))
        return net.linear(x, net.pick(64, 128))

    return form


def alone(body: Body) -> Form:
    """The body three times, without layers."""

    def form(net: FormNet) -> str:
        x = picture(net, net.pick(1, 2))
        for _ in range(3):
            x = body(net, x)
        return x

    return form


def function(op_type: str, **attributes: float) -> Body:
    return lambda net, x: net.op(op_type, x, **attributes)


def gelu(net: FormNet, x: str) -> str:
    inner = net.op("Add", net.op("Erf", net.op("Div", x, net.constant(np.float32(2**0.5)))), net.constant(np.float32(1)))
    return net.op("Mul", net.op("Mul", x, inner), net.constant(np.float32(0.5)))


def silu(net: FormNet, x: str) -> str:
    return net.op("Mul", x, net.op("Sigmoid", x))


def mish(net: FormNet, x: str) -> str:
    return net.op("Mul", x, net.op("Tanh", net.op("Softplus", x)))


def prelu(net: FormNet, x: str) -> str:
    shape = net.shape(x)
    return net.op("PRelu", x, net.vector(shape[1], *[1] * (len(shape) - 2), around=0.2))


def clip(net: FormNet, x: str) -> str:
    return net.op("Clip", x, net.constant(np.float32(0)), net.constant(np.float32(6)))


def with_itself(op_type: str, other: str) -> Body:
    """An operator of the value and a function of it."""
    return lambda net, x: net.op(op_type, x, net.op(other, x))


def with_constant(op_type: str, along: str) -> Body:
    """An operator of the value and constants: one, one a channel, one a column, or as many."""

    def body(net: FormNet, x: str) -> str:
        shape = net.shape(x)
        chosen = {"one": (1,), "channel": (shape[1], *[1] * (len(shape) - 2)), "last": shape[-1:], "all": shape}[along]
        return net.op(op_type, x, net.vector(*chosen, around=1.0))

    return body


def residual(net: FormNet, x: str) -> str:
    shape = net.shape(x)
    other = net.conv(net.op("Relu", x), shape[1], 3) if len(shape) > 3 else net.linear(net.op("Relu", x), shape[-1])
    return net.op("Relu", net.op("Add", x, other))


def pool(op_type: str, kernel: int, stride: int) -> Body:
    def body(net: FormNet, x: str) -> str:
        axes = len(net.shape(x)) - 2
        pads = {"pads": [kernel // 2] * axes * 2} if kernel % 2 else {}
        return net.op(op_type, x, kernel_shape=[kernel] * axes, strides=[stride] * axes, **pads)

    return body


def gate(pooled: str) -> Body:
    """A gate for every channel, of what is pooled."""

    def body(net: FormNet, x: str) -> str:
        width = net.shape(x)[1]
        y = net.op("ReduceMean", x, axes=list(range(2, len(net.shape(x))))) if pooled == "ReduceMean" else net.op(pooled, x)
        y = net.op("Relu", net.conv(y, max(width // 4, 4)))
        return net.op("Mul", x, net.op("Sigmoid", net.conv(y, width)))

    return body


def reduced(op_type: str) -> Body:
    """What is reduced over the last axis is added to the value."""
    return lambda net, x: net.op("Add", x, net.op(op_type, x, axes=[-1], keepdims=1))


def softmax(axis: int) -> Body:
    return lambda net, x: net.op("Softmax", x, axis=axis)


def layer_norm(net: FormNet, x: str) -> str:
    """The composite that exporters wrote before there was an operator."""
    width = net.shape(x)[-1]
    left = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1]))
    spread = net.op("ReduceMean", net.op("Mul", left, left), axes=[-1])
    whole = net.op("Div", left, net.op("Sqrt", net.op("Add", spread, net.constant(np.float32(1e-5)))))
    return net.op("Add", net.op("Mul", whole, net.vector(width, around=1)), net.vector(width))


def norm(op_type: str) -> Body:
    def body(net: FormNet, x: str) -> str:
        width = net.shape(x)[-1 if op_type == "LayerNormalization" else 1]
        return net.op(op_type, x, net.vector(width, around=1), net.vector(width))

    return body


def batch_norm(net: FormNet, x: str) -> str:
    width = net.shape(x)[1]
    spread = net.constant((1 + 0.1 * net.rng.random(width)).astype(np.float32))
    return net.op(
        "Relu", net.op("BatchNormalization", net.op("Relu", x), net.vector(width, around=1), net.vector(width), net.vector(width), spread)
    )
