"""Functions of one number, in the forms that are tried on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.hexagon.paired import Form
from edgeq.testing.case import floats, ints, number

UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)
LINE, ROWS, CUBE = {"a": (1, 8, 12)}, {"a": (1, 6, 16)}, {"a": (1, 4, 4, 6, 6)}


def _functions() -> Iterator[Form]:
    for op in (
        "Abs",
        "Neg",
        "Exp",
        "Elu",
        "Floor",
        "Ceil",
        "Round",
        "Sin",
        "Cos",
        "Gelu",
        "Erf",
        "Softplus",
        "Softsign",
        "Sign",
        "Selu",
        "Celu",
        "Mish",
        "HardSwish",
        "HardSigmoid",
        "ThresholdedRelu",
        "Swish",
        "Atan",
        "Asin",
        "Tan",
        "Sinh",
        "Relu",
        "Identity",
    ):
        ends = {"Erf": SIGNED, "Sin": SIGNED, "Cos": SIGNED, "Sign": SIGNED, "HardSigmoid": UNIT}.get(op)
        opset = {"Gelu": 20, "Mish": 18, "Swish": 24}.get(op, 17)
        yield Form(f"{op}", f"b = {op}(a)", opset=opset, ranges={"b": ends} if ends else {})
    for op in ("Sqrt", "Log", "Reciprocal"):
        yield Form(op, f"b = {op}(a)", positive=True)
    yield Form("Gelu tanh", 'b = Gelu<approximate = "tanh">(a)', opset=20)
    yield Form("Gelu rows", "b = Gelu(a)", ROWS, opset=20)
    yield Form("Elu alpha 0.5", "b = Elu<alpha = 0.5>(a)")
    yield Form("Elu alpha 2", "b = Elu<alpha = 2.0>(a)")
    yield Form("HardSigmoid slope", "b = HardSigmoid<alpha = 0.1666667, beta = 0.5>(a)", ranges={"b": UNIT})
    yield Form("Sigmoid", "b = Sigmoid(a)", ranges={"b": UNIT})
    yield Form("Sigmoid own range", "b = Sigmoid(a)")
    yield Form("Tanh", "b = Tanh(a)", ranges={"b": SIGNED})
    yield Form("LeakyRelu", "b = LeakyRelu<alpha = 0.1>(a)")


def _slopes() -> Iterator[Form]:
    for word, shape in (("channels", (8, 1, 1)), ("one", (1,)), ("1 channels", (1, 8, 1, 1)), ("all", (8, 6, 6)), ("columns", (6,))):
        slopes = np.abs(floats(*shape)) + np.float32(0.05)
        yield Form(f"PRelu {word}", "b = PRelu(a, k)", constants={"k": slopes})
        yield Form(f"PRelu {word} signed slopes", "b = PRelu(a, k)", constants={"k": floats(*shape)})
        yield Form(f"PRelu {word} weight", "b = PRelu(a, k)", constants={"k": floats(*shape)}, stored={"k": "weight"})
    yield Form("PRelu line", "b = PRelu(a, k)", LINE, {"k": floats(8, 1)})
    yield Form("PRelu rows", "b = PRelu(a, k)", {"a": (1, 16)}, {"k": floats(16, 1).reshape(16)})


def _bounds_and_types() -> Iterator[Form]:
    yield Form("Clip 0 6", "b = Clip(a, l, h)", constants={"l": number(0), "h": number(1)}, stored={"l": "real", "h": "real"})
    yield Form(
        "Clip same", "b = Clip(a, l, h)", constants={"l": number(-1), "h": number(1)}, stored={"l": "real", "h": "real"}, copies=True
    )
    yield Form("Relu same", "b = Relu(a)", copies=True)
    yield Form("Cast to int32", "b = Cast<to = 6>(a)")
    yield Form("Cast from int32", "b = Cast<to = 1>(a)", {"a": np.arange(24, dtype=np.int32)})
    flags = np.arange(24).reshape(1, 24) % 2
    for op in ("And", "Or", "Xor"):
        yield Form(f"{op} two", f"b = {op}(a, d)", {"a": flags > 0, "d": flags > 0})
    yield Form("And constant", "b = And(a, k)", {"a": flags > 0}, {"k": flags > 0})
    for word, kind in (("int64", 7), ("int32", 6), ("bool", 9)):
        for dtype in (np.int64, np.int32, np.bool_):
            yield Form(f"Cast {np.dtype(dtype).name} to {word}", f"b = Cast<to = {kind}>(a)", {"a": flags.astype(dtype)})
    yield Form("Cast int64 to real", "b = Cast<to = 1>(a)", {"a": flags})
    yield Form(
        "Mask of a Softmax",
        "c = Cast<to = 9>(m) d = Unsqueeze(c, i) e = Where(d, z, n) f = Add(a, e) b = Softmax(f)",
        {"a": (1, 4, 6), "m": np.arange(6).reshape(1, 6) % 2},
        {"i": ints(1), "z": number(0), "n": number(-20)},
    )
    yield Form("Shape", "b = Shape(a)")
    yield Form("Equal integers", "b = Equal(a, k)", {"a": flags}, {"k": np.array(1)})
    yield Form("Cast to bool", "b = Cast<to = 9>(a)")
    yield Form("Not", "b = Not(a)", {"a": np.arange(24) % 2 == 0})


def functions() -> Iterator[Form]:
    """All of them."""
    for group in (
        _functions,
        _slopes,
        _bounds_and_types,
    ):
        yield from group()
