"""The windows that slide over an image, as one array."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgeq.integers.windows import ImageWindow
from edgeq.numerics.arrays import I64


def patches(x: I64, window: ImageWindow, fill: int) -> I64:
    """[N, C, H, W] -> [N, C, OH, OW, KH, KW], padded with `fill`."""
    pads = [(0, 0), (0, 0), (window.begins[0], window.ends[0]), (window.begins[1], window.ends[1])]
    padded = np.pad(x, pads, constant_values=fill)
    reach = [(size - 1) * gap + 1 for size, gap in zip(window.kernel, window.dilations, strict=True)]
    views = sliding_window_view(padded, reach, axis=(2, 3))
    rows, columns = window.strides
    return np.asarray(views[:, :, ::rows, ::columns, :: window.dilations[0], :: window.dilations[1]])
