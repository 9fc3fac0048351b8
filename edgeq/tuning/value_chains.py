"""The chains of what lies between layers: first layers, functions, pools, moves, conversions."""

from __future__ import annotations

from edgeq.tuning.blocks import concatenated, converted, first, function, gated, island, joined, squeezed, window
from edgeq.tuning.chain import Chain, images, lines, pictures, vectors, volumes
from edgeq.tuning.moving_blocks import (
    at_images,
    at_rows,
    gated_rows,
    halving,
    hard_sigmoid,
    headed,
    reduced,
    resized,
    resized_rows,
    shuffled,
    split_in_two,
    spread,
    two_products,
)

#: rows and columns behind products, channels and sides behind layers
_ROWS, _SIZES = ((1, 256), (64, 64), (128, 256)), ((8, 28), (32, 28), (64, 14))
#: in the order in which their figures are told, behind those of layers
VALUES: tuple[Chain, ...] = (
    *vectors("Add", joined("Add")),
    *pictures(
        "Conv.first",
        *((first(inner, kernel, stride), channels, side) for inner, channels, kernel, stride, side in (
            (3, 8, 3, 2, 48), (3, 16, 3, 1, 56), (3, 16, 3, 2, 28), (3, 32, 3, 2, 56), (3, 64, 7, 2, 28), (1, 16, 3, 1, 56),
            (1, 32, 5, 1, 28), (1, 64, 7, 2, 14), (3, 24, 3, 2, 14),
            (1, 8, 15, 1, 28),
        )),
    ),
    *pictures("Conv.single", (first(1, 15, 1), 1, 28), (first(1, 5, 1), 1, 56)),
    *lines("Conv.single.line", (first(1, 129, 1), 1, 400), (first(1, 25, 2), 1, 1600)),
    *lines(
        "Conv.first.line",
        *((first(inner, kernel, stride), channels, length) for inner, channels, kernel, stride, length in (
            (1, 16, 80, 4, 500), (1, 32, 25, 1, 100), (1, 8, 9, 2, 400), (3, 32, 5, 1, 200), (1, 64, 16, 8, 100),
            (1, 256, 256, 64, 4), (1, 8, 65, 1, 400),
        )),
    ),
    *volumes(
        "Conv.first.volume",
        *((first(inner, kernel, stride), channels, side) for inner, channels, kernel, stride, side in (
            (1, 8, 3, 1, 8), (3, 16, 3, 2, 8), (1, 32, 3, 1, 4), (1, 16, 5, 2, 4),
        )),
    ),
    *vectors("Mul", joined("Mul")),
    *vectors("Sigmoid", function("Sigmoid")),
    *vectors("Tanh", function("Tanh")),
    *vectors("LeakyRelu", function("LeakyRelu", alpha=0.1)),
    *vectors("Softmax", function("Softmax"), ((64, 32), (64, 128), (128, 512))),
    *images("Mul.spread", gated),
    *vectors("Mul.spread", gated_rows, ((64, 64), (64, 400), (128, 512))),
    *images("GlobalAveragePool", squeezed),
    *images("Concat.image", concatenated),
    *vectors("Concat", two_products, _ROWS),
    *vectors("HardSigmoid", hard_sigmoid, _ROWS),
    *images("Slice.image", at_images("Slice", 2.0), *_SIZES),
    *vectors("Slice", at_rows("Slice", 2.0), _ROWS),
    *images("Split.image", split_in_two, *_SIZES),
    *vectors("Split", split_in_two, _ROWS),
    *images("Gather.image", at_images("Gather"), *_SIZES),
    *vectors("Gather", at_rows("Gather"), _ROWS),
    *images("Tile.image", at_images("Tile", 0.5), *_SIZES),
    *images("Transpose.image", shuffled, *_SIZES),
    *vectors("Transpose", headed, _ROWS),
    *images("ReduceMax.image", reduced, *_SIZES),
    *vectors("ReduceMax", reduced, _ROWS),
    *images("DepthToSpace.image", spread, *_SIZES),
    *images("Resize.nearest.image", resized("nearest"), *_SIZES),
    *images("Resize.linear.image", resized("linear"), *_SIZES),
    *images("Resize.nearest", resized_rows("nearest"), *_SIZES),
    *images("Resize.linear", resized_rows("linear"), *_SIZES),
    *images("AveragePool", window("AveragePool")), *images("AveragePool", halving("AveragePool"), *_SIZES),
    *images("MaxPool", window("MaxPool")), *images("MaxPool", halving("MaxPool"), *_SIZES),
    *(chain for op in ("AveragePool", "MaxPool") for chain in (
        *lines(f"{op}.line", (window(op), 16, 400), (window(op), 64, 100), (window(op), 32, 32)),
        *volumes(f"{op}.volume", (window(op), 8, 8), (window(op), 32, 4), (window(op), 16, 8)),
    )),
    # in networks the numbers are in no near cache
    *vectors("QuantizeLinear", converted, ((1, 256), (64, 64), (128, 512), (256, 1024))),
    *lines("QuantizeLinear.turned", (island, 8, 784), (island, 32, 784), (island, 64, 784), (island, 96, 49)),
    *images("QuantizeLinear.image", island),
)  # fmt: skip
