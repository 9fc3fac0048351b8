"""Emitters of single operators: each adds nodes to a growing graph, or nothing where none fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from tests.fuzz.valid.graph_builder import FLOATS, Attribute, Builder

Emitter = Callable[[Builder], str | None]

_UNARY = (
    *("Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "Sqrt", "Log", "Floor", "Ceil", "Round", "Erf", "Sin", "Reciprocal", "Softplus"),
    *("Softsign", "HardSwish", "Mish", "Gelu", "Sign", "Identity", "Dropout", "GlobalAveragePool", "GlobalMaxPool", "IsNaN", "Swish"),
)
_TUNED: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("LeakyRelu", "alpha", (0.1, 0.0, -1.0, 1e30)),
    ("Elu", "alpha", (1.0, 0.0, 1e30)),
    ("Selu", "gamma", (1.05, 0.0)),
    ("HardSigmoid", "alpha", (0.2, 0.0, 1e30)),
    ("ThresholdedRelu", "alpha", (1.0, -1.0)),
    ("Celu", "alpha", (1.0,)),
)


def unary(b: Builder) -> str | None:
    x = b.pick(elements=FLOATS)
    return x and b.add(b.random.choice(_UNARY), [x])


def tuned(b: Builder) -> str | None:
    x = b.pick()
    op, key, values = b.random.choice(_TUNED)
    return x and b.add(op, [x], {key: b.random.choice(values)})


def binary(b: Builder) -> str | None:
    x = b.pick()
    if x is None:
        return None
    op = b.random.choice(("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "Mod", "Greater", "Equal"))
    shape = b.shape(x)
    kept = tuple(size if b.random.random() < 0.5 else 1 for size in shape)
    other = b.random.choice((lambda: x, lambda: b.pick() or x, lambda: b.weights(*kept), lambda: b.weights(*shape[-1:]), b.weights))()
    return b.add(op, [x, other] if b.random.random() < 0.7 else [other, x])


def conv(b: Builder) -> str | None:
    x = b.pick(ranks=(3, 4, 5))
    if x is None:
        return None
    channels, space = b.shape(x)[1], len(b.shape(x)) - 2
    group = b.random.choice((1, 1, 1, channels or 1, 2))
    out, kernel = group * b.random.choice((1, 2, 3, 4, 16)), [b.random.choice((1, 2, 3)) for _ in range(space)]
    attributes: dict[str, Attribute] = {"group": group} if group > 1 else {}
    if b.random.random() < 0.5:
        attributes["pads"] = [b.random.choice((0, 1)) for _ in range(2 * space)]
    if b.random.random() < 0.3:
        attributes["strides"] = [b.random.choice((1, 2)) for _ in range(space)]
    if b.random.random() < 0.1:
        attributes["dilations"] = [2] * space
    transposed = b.random.random() < 0.15
    weight = b.weights(channels, out // group, *kernel) if transposed else b.weights(out, channels // group, *kernel)
    bias = [b.weights(out)] if b.random.random() < 0.5 else []
    return b.add("ConvTranspose" if transposed else "Conv", [x, weight, *bias], attributes)


def gemm(b: Builder) -> str | None:
    x = b.pick(ranks=(2,))
    if x is None:
        image = b.pick()
        return image and b.add("Flatten", [image])
    out, turned = b.random.choice((1, 2, 3, 5, 32, 64)), b.random.choice((0, 1))
    weight = b.weights(out, b.shape(x)[1]) if turned else b.weights(b.shape(x)[1], out)
    bias = b.random.choice(([], [b.weights(out)], [b.weights(1, out)], [b.weights()]))
    attributes: dict[str, Attribute] = {"transB": turned}
    if b.random.random() < 0.2:
        attributes["alpha"] = b.random.choice((0.5, 0.0, -2.0))
    return b.add("Gemm", [x, weight, *bias], attributes)


def matmul(b: Builder) -> str | None:
    x = b.pick(ranks=(1, 2, 3, 4))
    if x is None:
        return None
    other = b.pick(ranks=(2, 3, 4)) if b.random.random() < 0.2 else b.weights(b.shape(x)[-1], b.random.choice((1, 2, 3, 5, 32, 64)))
    return other and b.add("MatMul", [x, other])


def pool(b: Builder) -> str | None:
    x = b.pick(ranks=(3, 4, 5))
    if x is None:
        return None
    space = len(b.shape(x)) - 2
    attributes: dict[str, Attribute] = {"kernel_shape": [b.random.choice((1, 2, 3)) for _ in range(space)]}
    if b.random.random() < 0.5:
        attributes["strides"] = [2] * space
    if b.random.random() < 0.3:
        attributes["ceil_mode"] = 1
    if b.random.random() < 0.3:
        attributes["auto_pad"] = b.random.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    return b.add(b.random.choice(("MaxPool", "AveragePool", "LpPool")), [x], attributes)


def norm(b: Builder) -> str | None:
    x = b.pick(ranks=(2, 3, 4))
    if x is None:
        return None
    channels, last = b.shape(x)[1], b.shape(x)[-1]
    ones = b.constant(np.abs(b.numbers.normal(size=channels)).astype(np.float32))
    return b.random.choice(
        (
            lambda: b.add("BatchNormalization", [x, ones, b.weights(channels), b.weights(channels), ones], {"epsilon": 1e-5}),
            lambda: b.add("InstanceNormalization", [x, ones, b.weights(channels)]),
            lambda: b.add("LayerNormalization", [x, b.weights(last), b.weights(last)]),
            lambda: b.add("LRN", [x], {"size": 3}),
            lambda: b.add("LpNormalization", [x], {"axis": b.random.choice((0, 1, -1))}),
        )
    )()


def soft(b: Builder) -> str | None:
    x = b.pick()
    return x and b.add(b.random.choice(("Softmax", "LogSoftmax", "Hardmax")), [x], {"axis": b.random.choice((0, 1, 2, -1))})


def clip(b: Builder) -> str | None:
    x = b.pick()
    low, high = b.random.choice(((0.0, 6.0), (-1.0, 1.0), (1.0, -1.0), (0.0, float("inf"))))
    if x is None:
        return None
    if b.opset < 11:
        return b.add("Clip", [x], {"min": low, "max": high})
    bounds = [b.constant(np.array(low, np.float32)), b.constant(np.array(high, np.float32))]
    return b.add("Clip", [x, *bounds[: b.random.randint(0, 2)]])


def recurrent(b: Builder) -> str | None:
    x = b.pick(ranks=(3,))
    if x is None:
        return None
    op, gates = b.random.choice((("LSTM", 4), ("GRU", 3), ("RNN", 1)))
    way, ways = b.random.choice((("forward", 1), ("reverse", 1), ("bidirectional", 2)))
    hidden, width = b.random.randint(1, 4), b.shape(x)[2]
    weights = [b.weights(ways, gates * hidden, width), b.weights(ways, gates * hidden, hidden)]
    bias = [b.weights(ways, 2 * gates * hidden)] if b.random.random() < 0.5 else []
    return b.add(op, [x, *weights, *bias], {"hidden_size": hidden, "direction": way})


def cast(b: Builder) -> str | None:
    every = (*FLOATS, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
    x = b.pick(elements=every)
    to = b.random.choice((TensorProto.FLOAT, TensorProto.FLOAT, *every, TensorProto.INT8, TensorProto.UINT8, TensorProto.BFLOAT16))
    return x and b.add("Cast", [x], {"to": to})


def choose(b: Builder) -> str | None:
    x, condition = b.pick(), b.pick(elements=(TensorProto.BOOL,))
    if x is None:
        return None
    return b.add("Where", [condition or b.constant(np.array(b.random.random() < 0.5)), x, b.pick() or x])


def fixed(b: Builder) -> str | None:
    value = b.numbers.normal(size=b.random.choice(((), (3,), (1, 4)))).astype(np.float32)
    name = b.constant(value)
    tensor = b.initializers.pop()
    del b.types[name]
    return b.add("Constant", [], {"value": tensor})


COMPUTE: tuple[Emitter, ...] = (unary, unary, tuned, binary, binary, conv, conv, conv, gemm, gemm, matmul, pool, norm, soft, clip)
COMPUTE = (*COMPUTE, recurrent, cast, choose, fixed)
