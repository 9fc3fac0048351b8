"""The chains of layers behind layers: convolutions over one to three axes, products."""

from __future__ import annotations

from edgeq.tuning.blocks import convs, gemms
from edgeq.tuning.chain import Chain, lines, pictures, volumes

#: in the order in which their figures are told
LAYERS: tuple[Chain, ...] = (
    *pictures(
        "Conv.pointwise",
        *((convs((channels, 1, 1)), channels, side) for channels, side in (
            (8, 56), (16, 56), (24, 28), (32, 28), (48, 14), (64, 28), (128, 14), (256, 7), (64, 1), (200, 1),
            (16, 7), (48, 7),
        )),
        (convs((64, 1, 1), (16, 1, 1)), 16, 28), (convs((16, 1, 1), (8, 1, 1)), 8, 56), (convs((8, 1, 1), (96, 1, 1)), 96, 1),
    ),
    *pictures(
        "Conv.depthwise",
        *((convs((channels, kernel, channels)), channels, side) for channels, kernel, side in (
            (8, 3, 56), (16, 3, 56), (24, 3, 28), (32, 3, 28), (64, 3, 28), (128, 3, 14), (256, 3, 7),
            (40, 5, 14), (64, 5, 14), (104, 5, 7), (16, 3, 7), (48, 3, 7),
        )),
    ),
    *pictures(
        "Conv.dense",
        *((convs((channels, kernel, 1)), channels, side) for channels, kernel, side in (
            (8, 3, 56), (16, 3, 28), (24, 3, 28), (32, 3, 28), (64, 3, 14), (128, 3, 7), (16, 5, 28), (64, 3, 4), (8, 9, 28),
            (8, 3, 7), (16, 3, 14),
        )),
        (convs((32, 3, 1), (16, 3, 1)), 16, 28), (convs((64, 3, 1), (8, 3, 1)), 8, 28),
    ),
    *pictures(
        "Conv.grouped",
        (convs((32, 3, 4)), 32, 28), (convs((64, 3, 4)), 64, 14), (convs((128, 3, 32)), 128, 14), (convs((64, 1, 4)), 64, 14),
    ),
    *(Chain("Gemm", (rows, width), gemms(*([width] if width == other else [other, width]))) for rows, width, other in (
        (1, 64, 64), (1, 256, 256), (1, 1024, 1024), (8, 256, 256), (64, 256, 256), (128, 64, 64), (32, 512, 128), (1, 640, 128),
        (128, 384, 384), (1, 16, 16), (1, 32, 32), (16, 32, 32), (4, 128, 128), (50, 64, 64), (16, 256, 256),
        (256, 32, 128), (196, 64, 256),
    )),
    *lines(
        "Conv.pointwise.line",
        *((convs((channels, 1, 1)), channels, length) for channels, length in (
            (8, 1600), (16, 400), (24, 49), (32, 200), (64, 100), (96, 400), (128, 64), (256, 16), (16, 32), (8, 100),
        )),
    ),
    *lines(
        "Conv.depthwise.line",
        *((convs((channels, kernel, channels)), channels, length) for channels, kernel, length in (
            (16, 3, 400), (24, 5, 49), (32, 3, 200), (64, 9, 100), (96, 15, 400), (128, 31, 64), (256, 3, 16), (16, 3, 32),
        )),
    ),
    *lines(
        "Conv.dense.line",
        *((convs((channels, kernel, 1)), channels, length) for channels, kernel, length in (
            (16, 3, 400), (24, 5, 49), (32, 3, 200), (40, 7, 100), (48, 3, 100), (64, 9, 100), (128, 3, 64), (256, 3, 16), (128, 3, 4),
            (16, 3, 32), (8, 3, 100),
        )),
    ),
    *lines("Conv.grouped.line", (convs((32, 3, 4)), 32, 200), (convs((64, 5, 8)), 64, 100), (convs((128, 1, 4)), 128, 64)),
    *volumes(
        "Conv.pointwise.volume",
        *((convs((channels, 1, 1)), channels, side) for channels, side in ((8, 8), (16, 8), (32, 8), (64, 4), (16, 4), (8, 16))),
    ),
    *volumes(
        "Conv.depthwise.volume",
        *((convs((channels, kernel, channels)), channels, side) for channels, kernel, side in (
            (8, 3, 8), (16, 3, 8), (32, 3, 8), (64, 3, 4), (16, 5, 4),
        )),
    ),
    *volumes(
        "Conv.dense.volume",
        *((convs((channels, kernel, 1)), channels, side) for channels, kernel, side in (
            (8, 3, 8), (16, 3, 8), (32, 3, 4), (64, 3, 4), (16, 3, 4), (8, 5, 4), (8, 3, 12), (16, 3, 16),
        )),
    ),
    *volumes("Conv.grouped.volume", (convs((16, 3, 4)), 16, 8), (convs((32, 3, 4)), 32, 4), (convs((64, 1, 4)), 64, 4)),
)  # fmt: skip
