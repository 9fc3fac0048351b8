"""Normalizations that have an operator, and how they are told from what a function computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeq.numerics.arrays import F64

#: layer: (x - mean) / deviation, rms: x / root of the mean square, over the axes
Kind = Literal["layer", "rms"]
#: largest difference, relative to the largest result
TOLERANCE = 1e-5
#: what least squares leave of a shift of 0
_ROUNDING = 1e-9
#: factors of the samples: among small ones an epsilon shows
_SCALES = (1.0, 3.0, 0.03)


@dataclass(frozen=True, eq=False)
class KnownNorm:
    """y = scale * normalized(x) + shift."""

    kind: Kind
    #: added to the variance, or to the mean square
    epsilon: float
    #: float64, of the rank of x: its sizes at `affine_axes`, else 1
    scale: F64
    #: float64, like scale
    shift: F64


def samples(shape: Sequence[int]) -> list[F64]:
    """Inputs on which a function is compared: three arrays of the shape."""
    chance = np.random.default_rng(0)
    return [factor * (chance.normal(size=tuple(shape)) + 0.5) for factor in _SCALES]


def known_norm(
    given: list[F64], made: list[F64], axes: tuple[int, ...], affine_axes: tuple[int, ...], epsilons: list[float]
) -> KnownNorm | None:
    """The normalization over `axes` that gives `made` at `given`; None where it is none.

    affine_axes: the axes along which scale and shift may differ. epsilons: numbers that may be the
    epsilon.
    """
    for kind, epsilon in _kinds(epsilons):
        normal = [normalized(x, axes, kind, epsilon) for x in given]
        scale, shift = _fitted(normal, made, affine_axes)
        if kind == "rms" and np.abs(shift).max(initial=0.0) > _ROUNDING:
            continue
        shift = np.zeros_like(shift) if kind == "rms" else shift
        if all(_near(scale * n + shift, y) for n, y in zip(normal, made, strict=True)):
            return KnownNorm(kind, epsilon, scale, shift)
    return None


def normalized(x: F64, axes: tuple[int, ...], kind: Kind, epsilon: float) -> F64:
    """x as the normalization leaves it before scale and shift."""
    centred = x - x.mean(axis=axes, keepdims=True) if kind == "layer" else x
    return np.asarray(centred / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + epsilon))


def _kinds(epsilons: list[float]) -> Iterator[tuple[Kind, float]]:
    for epsilon in epsilons:
        yield "layer", epsilon
        yield "rms", epsilon


def _fitted(normal: list[F64], made: list[F64], affine_axes: tuple[int, ...]) -> tuple[F64, F64]:
    """The scale and the shift of the straight line through all samples, by least squares."""
    others = tuple(axis for axis in range(normal[0].ndim) if axis not in affine_axes)
    n, y = (np.stack(arrays) for arrays in (normal, made))
    along = (0, *(axis + 1 for axis in others))
    mean_n, mean_y = n.mean(axis=along, keepdims=True), y.mean(axis=along, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # where all of n is one number, no line is the nearest
        scale = ((n - mean_n) * (y - mean_y)).mean(axis=along, keepdims=True) / ((n - mean_n) ** 2).mean(axis=along, keepdims=True)
    return scale[0], (mean_y - scale * mean_n)[0]


def _near(a: F64, b: F64) -> bool:
    return bool(np.isfinite(b).all() and np.abs(a - b).max() <= TOLERANCE * max(1e-6, float(np.abs(b).max())))
