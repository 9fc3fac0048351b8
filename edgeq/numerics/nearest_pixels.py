"""Which pixels a Resize of mode nearest selects along one axis, as ONNX defines it."""

from __future__ import annotations

import numpy as np


def nearest_pixels(coordinates: str, rounding: str, size: int, wanted: int, given: float | None = None) -> list[int]:
    """The index of the input for each of the `wanted` indices of the output.

    coordinates, rounding: ONNX's coordinate_transformation_mode and nearest_mode. given: the scale;
    None: wanted / size, and so for a float32 number as near to it as can be.

    >>> nearest_pixels("half_pixel", "round_prefer_floor", 2, 4)
    [0, 0, 1, 1]
    >>> nearest_pixels("asymmetric", "ceil", 2, 4)
    [0, 1, 1, 1]
    """
    at = np.arange(wanted, dtype=np.float64)
    if coordinates == "align_corners":
        x = at * (size - 1) / max(wanted - 1, 1)
    else:
        ratio = wanted / size
        scale = ratio if given is None or abs(given / ratio - 1) < 1e-6 else given
        x = (at + 0.5) / scale - 0.5 if "half_pixel" in coordinates else at / scale
    rounded = {"floor": np.floor(x), "ceil": np.ceil(x), "round_prefer_ceil": np.floor(x + 0.5)}
    pixels = rounded.get(rounding, np.ceil(x - 0.5))
    return [int(pixel) for pixel in np.clip(pixels, 0, size - 1)]


def tflite_pixels(align: bool, half: bool, size: int, wanted: int) -> list[int]:
    """The rows or columns that TFLite selects (GetNearestNeighbor).

    Source: tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h.
    """
    at = np.arange(wanted, dtype=np.float32)
    scale = np.float32((size - 1) / (wanted - 1)) if align and wanted > 1 else np.float32(size / wanted)
    x = (at + np.float32(0.5 if half else 0.0)) * scale
    return [int(pixel) for pixel in np.clip(np.floor(x + np.float32(0.5)) if align else np.floor(x), 0, size - 1)]
