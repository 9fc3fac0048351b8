"""The rows of its input that a layer multiplies with its weights; for convolutions, patches."""

from __future__ import annotations

import math

import numpy as np

from edgeq.graph.layer import Layer, Window
from edgeq.numerics.arrays import F32, Indices


def rows_of(layer: Layer, value: F32, quota: int, chance: np.random.Generator) -> F32:
    """At most `quota` rows of one sample, drawn without replacement: [groups, rows, columns]."""
    window = layer.window
    if window is None:
        rows = value.reshape(-1, layer.columns)
        return rows[_draw(len(rows), quota, chance)][None]
    spatial = len(window.strides)
    value = value.reshape(-1, *value.shape[-1 - spatial :])  # iterations of a loop around the layer are stacked
    value = _spread(value, window.spread) if window.spread else value
    padding = _padding(layer.kernel[1:], window, value.shape)
    if set(layer.kernel[1:]) == {1} and not any(map(any, padding)) and not window.spread:
        return _points(layer, value[(slice(None), slice(None), *(slice(None, None, by) for by in window.strides))], quota, chance)
    padded = np.pad(value, padding)
    extent = [(k - 1) * d + 1 for k, d in zip(layer.kernel[1:], window.dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=tuple(range(2, 2 + spatial)))
    steps = [slice(None, None, s) for s in window.strides]
    taps = [slice(None, None, d) for d in window.dilations]
    view = view[(slice(None), slice(None), *steps, *taps)]  # [N, C, positions..., kernel...]
    shape = (value.shape[0], *view.shape[2 : 2 + spatial])
    places = np.unravel_index(_draw(int(np.prod(shape)), quota, chance), shape)
    picked = np.moveaxis(view, 1, 1 + spatial)[places]  # [rows, C, kernel...]
    if window.spread:
        picked = np.flip(picked, tuple(range(2, 2 + spatial)))
    patches = picked.reshape(len(picked), layer.groups, layer.columns)
    return np.ascontiguousarray(np.swapaxes(patches, 0, 1))


def _points(layer: Layer, value: F32, quota: int, chance: np.random.Generator) -> F32:
    """The rows of a window of one place; value [N, C, positions...]."""
    count, channels, *sizes = value.shape
    size = math.prod(sizes)
    sample, place = np.divmod(_draw(count * size, quota, chance), max(size, 1))
    flat = value.reshape(count, channels, size)
    picked = flat[0][:, place].T if count == 1 else flat[sample, :, place]
    return np.ascontiguousarray(np.swapaxes(picked.reshape(len(picked), layer.groups, layer.columns), 0, 1))


def _spread(value: F32, places: tuple[int, ...]) -> F32:
    """[N, C, sizes...] with zeros between neighbours, which then lie `places` apart."""
    sizes = [(size - 1) * by + 1 for size, by in zip(value.shape[2:], places, strict=True)]
    found = np.zeros((*value.shape[:2], *sizes), np.float32)
    found[(slice(None), slice(None), *(slice(None, None, by) for by in places))] = value
    return found


def _draw(count: int, quota: int, chance: np.random.Generator) -> Indices:
    if count <= quota:
        return np.arange(count)
    return np.sort(chance.choice(count, quota, replace=False))


def _padding(kernel: tuple[int, ...], window: Window, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    spatial = len(window.strides)
    if not window.auto_pad.startswith("SAME"):
        ends = zip(window.pads[:spatial], window.pads[spatial:], strict=True)
        return [(0, 0), (0, 0), *ends]
    found = [(0, 0), (0, 0)]
    for size, k, s, d in zip(shape[2:], kernel, window.strides, window.dilations, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        less = total // 2
        found.append((less, total - less) if window.auto_pad == "SAME_UPPER" else (total - less, less))
    return found
