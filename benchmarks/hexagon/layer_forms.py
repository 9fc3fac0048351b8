"""Layers and pools, in the forms that are tried on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.hexagon.paired import Form
from edgeq.testing.case import floats

LINE, CUBE = {"a": (1, 8, 12)}, {"a": (1, 4, 4, 6, 6)}
CHANNELS = {"k": "channels", "o": "bias"}


def _layers() -> Iterator[Form]:
    o = floats(6, 1).reshape(6)
    for word, how, k in (
        ("3x3", "pads = [1, 1, 1, 1]", floats(6, 8, 3, 3)),
        ("strided", "strides = [2, 2]", floats(6, 8, 3, 3)),
        ("dilated", "dilations = [2, 2]", floats(6, 8, 3, 3)),
        ("same", 'auto_pad = "SAME_UPPER", strides = [2, 2]', floats(6, 8, 3, 3)),
        ("uneven pads", "pads = [0, 1, 2, 1]", floats(6, 8, 3, 3)),
        ("grouped", "group = 2", floats(6, 4, 3, 3)),
    ):
        yield Form(f"Conv {word}", f"b = Conv<{how}>(a, k, o)", constants={"k": k, "o": o}, stored=CHANNELS)
    yield Form("Conv depthwise", "b = Conv<group = 8, pads = [1, 1, 1, 1]>(a, k)", constants={"k": floats(8, 1, 3, 3)}, stored=CHANNELS)
    yield Form("Conv depthwise multiplier", "b = Conv<group = 8>(a, k)", constants={"k": floats(16, 1, 3, 3)}, stored=CHANNELS)
    yield Form("Conv one grid", "b = Conv(a, k, o)", constants={"k": floats(6, 8, 3, 3), "o": o}, stored={"k": "weight", "o": "bias"})
    yield Form("Conv 1d", "b = Conv<pads = [1, 1]>(a, k, o)", LINE, {"k": floats(6, 8, 3), "o": o}, CHANNELS)
    yield Form("Conv 1d depthwise", "b = Conv<group = 8, dilations = [2]>(a, k)", LINE, {"k": floats(8, 1, 3)}, CHANNELS)
    yield Form("Conv 3d", "b = Conv(a, k, o)", CUBE, {"k": floats(6, 4, 2, 2, 2), "o": o}, CHANNELS)
    yield Form("Conv 3d one grid", "b = Conv(a, k, o)", CUBE, {"k": floats(6, 4, 2, 2, 2), "o": o}, {"k": "weight", "o": "bias"})
    yield Form("Conv of two values", "b = Conv(a, d)", {"a": (1, 8, 6, 6), "d": (6, 8, 3, 3)})


def _transposed() -> Iterator[Form]:
    o = floats(6, 1).reshape(6)
    for word, how in (
        ("", ""),
        ("strided", "strides = [2, 2]"),
        ("padded", "strides = [2, 2], pads = [1, 1, 1, 1]"),
        ("output padding", "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]"),
        ("output shape", "strides = [2, 2], output_shape = [12, 12]"),
        ("dilated", "dilations = [2, 2]"),
        ("same", 'strides = [2, 2], auto_pad = "SAME_UPPER"'),
    ):
        attributes = f"<{how}>" if how else ""
        for storage in ("weight", "channels 1", "codes"):
            name = f"ConvTranspose {word}, {storage}".replace("  ", " ")
            yield Form(
                name,
                f"b = ConvTranspose{attributes}(a, k, o)",
                constants={"k": floats(8, 6, 3, 3), "o": o},
                stored={"k": storage, "o": "bias"},
            )
    yield Form("ConvTranspose grouped", "b = ConvTranspose<group = 2>(a, k)", constants={"k": floats(8, 3, 3, 3)}, stored={"k": "weight"})
    yield Form("ConvTranspose depthwise", "b = ConvTranspose<group = 8>(a, k)", constants={"k": floats(8, 1, 3, 3)}, stored={"k": "weight"})
    yield Form(
        "ConvTranspose 1d", "b = ConvTranspose<strides = [2]>(a, k, o)", LINE, {"k": floats(8, 6, 3), "o": o}, {"k": "weight", "o": "bias"}
    )
    yield Form(
        "ConvTranspose 3d",
        "b = ConvTranspose<strides = [2, 2, 2]>(a, k, o)",
        CUBE,
        {"k": floats(4, 6, 2, 2, 2), "o": o},
        {"k": "weight", "o": "bias"},
    )


def _products() -> Iterator[Form]:
    o = floats(6, 1).reshape(6)
    for shape, k in (
        ((1, 16), floats(16, 6)),
        ((1, 5, 16), floats(16, 6)),
        ((1, 2, 5, 16), floats(16, 6)),
        ((1, 2, 5, 16), floats(1, 2, 16, 6)),
        ((1, 5, 16), floats(16)),
    ):
        word = f"{len(shape)}d by {k.ndim}d"
        yield Form(f"MatMul {word}", "b = MatMul(a, k)", {"a": shape}, {"k": k}, {"k": "weight"})
        yield Form(f"MatMul {word} codes", "b = MatMul(a, k)", {"a": shape}, {"k": k})
    yield Form("MatMul channels", "b = MatMul(a, k)", {"a": (1, 5, 16)}, {"k": floats(16, 6)}, {"k": "channels 1"})
    yield Form("MatMul constant first", "b = MatMul(k, a)", {"a": (1, 2, 16, 5)}, {"k": floats(6, 16)}, {"k": "weight"})
    yield Form("MatMul constant first codes", "b = MatMul(k, a)", {"a": (1, 2, 16, 5)}, {"k": floats(6, 16)})
    yield Form("MatMul two 4d", "b = MatMul(a, d)", {"a": (1, 2, 5, 16), "d": (1, 2, 16, 5)})
    yield Form("MatMul two 3d", "b = MatMul(a, d)", {"a": (2, 5, 16), "d": (2, 16, 5)})
    yield Form("MatMul two 2d", "b = MatMul(a, d)", {"a": (5, 16), "d": (16, 5)})
    yield Form("MatMul two broadcast", "b = MatMul(a, d)", {"a": (1, 2, 5, 16), "d": (16, 5)})
    for word, how, k in (("", "", floats(16, 6)), ("transB", "<transB = 1>", floats(6, 16))):
        yield Form(f"Gemm {word}", f"b = Gemm{how}(a, k, o)", {"a": (1, 16)}, {"k": k, "o": o}, {"k": "weight", "o": "bias"})
        yield Form(
            f"Gemm {word} channels",
            f"b = Gemm{how}(a, k, o)",
            {"a": (1, 16)},
            {"k": k, "o": o},
            {"k": "channels" if how else "channels 1", "o": "bias"},
        )
    yield Form("Gemm alpha", "b = Gemm<alpha = 0.5>(a, k, o)", {"a": (1, 16)}, {"k": floats(16, 6), "o": o}, {"k": "weight", "o": "bias"})
    yield Form("Gemm of two values", "b = Gemm<transB = 1>(a, d)", {"a": (3, 16), "d": (6, 16)})


def _unlike() -> Iterator[Form]:
    """Channels of very different size: one scale for all of them would show."""
    o = floats(6, 1).reshape(6)
    scaled = np.array([1, 4, 16], np.float32).reshape(1, 3, 1, 1)
    transposed = floats(8, 3, 3, 3) * scaled
    yield Form(
        "ConvTranspose grouped, channels 1", "b = ConvTranspose<group = 2>(a, k)", constants={"k": transposed}, stored={"k": "channels 1"}
    )
    rising = np.arange(1, 7, dtype=np.float32) ** 2
    grouped = floats(6, 4, 3, 3) * rising.reshape(6, 1, 1, 1)
    yield Form("Conv grouped, unlike channels", "b = Conv<group = 2>(a, k)", constants={"k": grouped}, stored=CHANNELS)
    for rows in (1, 5):
        inputs = {"a": (rows, 16)}
        over, under = {"k": floats(16, 6) * rising, "o": o}, {"k": floats(6, 16) * rising[:, None], "o": o}
        yield Form(f"Gemm unlike channels, {rows} rows", "b = Gemm(a, k, o)", inputs, over, {"k": "channels 1", "o": "bias"})
        yield Form(f"Gemm transB unlike channels, {rows} rows", "b = Gemm<transB = 1>(a, k, o)", inputs, under, CHANNELS)
        yield Form(f"Gemm transB unlike channels, {rows} rows, no bias", "b = Gemm<transB = 1>(a, k)", inputs, {"k": under["k"]}, CHANNELS)
    for shape in ((5, 16), (1, 5, 16), (1, 2, 5, 16)):
        name = f"MatMul unlike channels {len(shape)}d"
        yield Form(name, "b = MatMul(a, k)", {"a": shape}, {"k": floats(16, 6) * rising}, {"k": "channels 1"})


def _others() -> Iterator[Form]:
    yield Form("Einsum product", 'b = Einsum<equation = "bhqd,bhkd->bhqk">(a, d)', {"a": (1, 2, 5, 16), "d": (1, 2, 5, 16)})
    yield Form("Einsum plain", 'b = Einsum<equation = "bij,bjk->bik">(a, d)', {"a": (2, 5, 16), "d": (2, 16, 5)})
    small = {"w": floats(1, 16, 8), "r": floats(1, 16, 4)}
    yield Form("LSTM", "b, h, c = LSTM<hidden_size = 4>(a, w, r)", {"a": (5, 1, 8)}, small, {"w": "weight", "r": "weight"})
    yield Form(
        "GRU",
        "b, h = GRU<hidden_size = 4>(a, w, r)",
        {"a": (5, 1, 8)},
        {"w": floats(1, 12, 8), "r": floats(1, 12, 4)},
        {"w": "weight", "r": "weight"},
    )


def _pools() -> Iterator[Form]:
    for op, copies in (("MaxPool", True), ("AveragePool", False)):
        for word, how in (
            ("2x2", "strides = [2, 2], kernel_shape = [2, 2]"),
            ("padded", "pads = [1, 1, 1, 1], kernel_shape = [3, 3]"),
            ("ceil", "strides = [2, 2], ceil_mode = 1, kernel_shape = [3, 3]"),
            ("same", 'auto_pad = "SAME_UPPER", kernel_shape = [3, 3]'),
            ("dilated", "dilations = [2, 2], kernel_shape = [2, 2]"),
            ("uneven pads", "pads = [0, 0, 1, 1], strides = [2, 2], kernel_shape = [3, 3]"),
            ("ceil padded", "strides = [2, 2], ceil_mode = 1, pads = [1, 1, 1, 1], kernel_shape = [3, 3]"),
        ):
            yield Form(f"{op} {word}", f"b = {op}<{how}>(a)", copies=copies, opset=19)
        yield Form(f"{op} 5x5 stride 1", f"b = {op}<pads = [2, 2, 2, 2], kernel_shape = [5, 5]>(a)", copies=copies)
        yield Form(f"{op} 1d", f"b = {op}<kernel_shape = [3]>(a)", LINE, copies=copies)
        yield Form(f"{op} 3d", f"b = {op}<kernel_shape = [2, 2, 2]>(a)", CUBE, copies=copies)
    yield Form("MaxPool own grid", "b = MaxPool<kernel_shape = [2, 2]>(a)", ranges={"b": (-3.0, 6.0)})
    yield Form("AveragePool count pad", "b = AveragePool<pads = [1, 1, 1, 1], count_include_pad = 1, kernel_shape = [3, 3]>(a)")
    yield Form("AveragePool same grid", "b = AveragePool<kernel_shape = [2, 2]>(a)", copies=True)
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        for word, inputs in (("", {"a": (1, 8, 6, 6)}), ("1d", LINE), ("3d", CUBE)):
            yield Form(f"{op} {word}".strip(), f"b = {op}(a)", inputs, copies=op == "GlobalMaxPool")
    yield Form("LpPool", "b = LpPool<kernel_shape = [2, 2]>(a)")


def layers() -> Iterator[Form]:
    """All of them."""
    for group in (
        _layers,
        _transposed,
        _products,
        _unlike,
        _others,
        _pools,
    ):
        yield from group()
