"""Linear quantization r = scale * (q - zero_point): grids and their arithmetic, in numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F32, I32, AnyArray

#: integer type that a grid can have -> its smallest and largest code
LIMITS: dict[str, tuple[int, int]] = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
}
#: the smallest scale of a grid: below it 1/scale and products of scales leave float32's normal
#: range
MIN_SCALE = np.float32(2.0**-100)


@dataclass(frozen=True)
class PerTensor:
    """One scale for the whole tensor; scale has shape ()."""


@dataclass(frozen=True)
class PerChannel:
    """One scale per slice along `axis`: x [A, B, C], axis 1 -> scale [B]."""

    axis: int


Granularity = PerTensor | PerChannel


@dataclass(frozen=True, eq=False)
class QuantParams:
    """A grid: the real numbers scale * (q - zero_point) for all codes q of an integer type."""

    #: integer type of the codes, a key of LIMITS
    dtype: str
    #: float32, () or [C]
    scale: F32
    #: int32, shaped like scale
    zero_point: I32
    #: what shares a scale
    granularity: Granularity = PerTensor()
    #: whether the lowest code is left out (int8: -127..127), as is usual for symmetric weights
    narrow: bool = False

    @property
    def qmin(self) -> int:
        """The smallest code."""
        return LIMITS[self.dtype][0] + int(self.narrow)

    @property
    def qmax(self) -> int:
        """The largest code."""
        return LIMITS[self.dtype][1]

    @property
    def low(self) -> F32:
        """The smallest real value on the grid, shaped like scale."""
        return np.asarray((self.qmin - self.zero_point) * self.scale, np.float32)

    @property
    def high(self) -> F32:
        """The largest real value on the grid, shaped like scale."""
        return np.asarray((self.qmax - self.zero_point) * self.scale, np.float32)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantParams):
            return NotImplemented
        same = (self.dtype, self.granularity, self.narrow) == (other.dtype, other.granularity, other.narrow)
        return same and np.array_equal(self.scale, other.scale) and np.array_equal(self.zero_point, other.zero_point)

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def grid_for_range(
    low: float, high: float, dtype: str, symmetric: bool = False, narrow: bool = False, power_of_two: bool = False
) -> QuantParams:
    """The per-tensor grid whose codes span [low, high], widened to hold 0.0 exactly.

    symmetric: zero_point is the middle code (0 for signed types, 128 for uint8) and the span is
    +-max(|low|, |high|). power_of_two: the scale is rounded up to a power of two, so that the grid
    spans up to twice as much. Formula: Jacob et al., arXiv:1712.05877, section 2.1.

    >>> grid = grid_for_range(-1.0, 1.55, "uint8")
    >>> round(float(grid.scale), 6), int(grid.zero_point)
    (0.01, 100)
    >>> grid = grid_for_range(-1.0, 1.27, "int8", symmetric=True, narrow=True)
    >>> round(float(grid.scale), 6), int(grid.zero_point), round(float(grid.low), 6)
    (0.01, 0, -1.27)
    """
    qmin, qmax = LIMITS[dtype][0] + int(narrow), LIMITS[dtype][1]
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    middle = 0 if qmin < 0 else (qmax + 1) // 2
    span, steps = (max(-low, high), qmax - middle) if symmetric else (high - low, qmax - qmin)
    scale = max(np.float32(span / steps if span > 0 else 1.0), MIN_SCALE)
    if power_of_two:
        scale = np.float32(next_power_of_two(np.asarray(scale)))
    zero = middle if symmetric else int(np.clip(np.rint(qmin - low / float(scale)), qmin, qmax))
    return QuantParams(dtype, np.asarray(scale, np.float32), np.asarray(zero, np.int32), PerTensor(), narrow)


def next_power_of_two(scale: NDArray[np.floating]) -> F32:
    """Round each positive scale up to a power of two, exactly.

    >>> next_power_of_two(np.array([0.2, 0.25, 0.3])).tolist()
    [0.25, 0.25, 0.5]
    """
    mantissa, exponent = np.frexp(scale)
    return np.asarray(np.ldexp(np.float32(1), np.where(mantissa == 0.5, exponent - 1, exponent)), np.float32)


def quantize(x: NDArray[np.floating], grid: QuantParams) -> AnyArray:
    """Codes of x: round_half_even(x / scale) + zero_point, saturated, as ONNX QuantizeLinear.

    The result has the shape of x and the dtype of the grid; 4-bit codes come as int8 or uint8.

    >>> grid = grid_for_range(0.0, 25.5, "uint8")
    >>> quantize(np.array([-1.0, 0.0, 0.26, 99.0]), grid)
    array([  0,   0,   3, 255], dtype=uint8)
    """
    scale, zero = _along(x.ndim, grid)
    with np.errstate(over="ignore"):  # a mask of the least float becomes an infinity, and saturates as one
        codes = np.asarray(np.asarray(x, np.float32) / scale)
    codes = np.rint(codes, out=codes)
    if grid.dtype == "int32":
        codes = np.asarray(codes + zero)  # in float64, which holds all codes
    elif zero.any():
        codes += zero.astype(np.float32)  # exact up to 2^24, far beyond where 16 bits saturate
    return np.asarray(np.clip(codes, grid.qmin, grid.qmax, out=codes), _storage(grid.dtype))


def less_zero_point(x: F32, grid: QuantParams) -> AnyArray:
    """The codes of x on a per-tensor grid of 8 bits, less its zero point: int16. x is used up.

    >>> grid = grid_for_range(-0.1, 25.4, "uint8")
    >>> less_zero_point(np.array([-1.0, 0.0, 0.26], np.float32), grid)
    array([-1,  0,  3], dtype=int16)
    """
    with np.errstate(over="ignore"):  # as in quantize
        np.divide(x, grid.scale, out=x)
    np.rint(x, out=x)
    np.clip(x, grid.qmin - int(grid.zero_point), grid.qmax - int(grid.zero_point), out=x)
    return x.astype(np.int16)


def dequantize(q: AnyArray, grid: QuantParams) -> F32:
    """Reals of codes: scale * (q - zero_point) in float32, as ONNX DequantizeLinear.

    >>> grid = grid_for_range(0.0, 255.0, "uint8")
    >>> dequantize(np.array([0, 3, 255], np.uint8), grid)
    array([  0.,   3., 255.], dtype=float32)
    """
    scale, zero = _along(q.ndim, grid)
    return np.asarray((q.astype(np.int32) - zero).astype(np.float32) * scale, np.float32)


def _storage(dtype: str) -> np.dtype[np.generic]:
    return np.dtype({"int4": "int8", "uint4": "uint8"}.get(dtype, dtype))


def _along(rank: int, grid: QuantParams) -> tuple[F32, I32]:
    """Scale and zero point, shaped to broadcast over a tensor of `rank` dimensions."""
    if isinstance(grid.granularity, PerTensor):
        return grid.scale, grid.zero_point
    shape = [1] * rank
    shape[grid.granularity.axis] = -1
    return grid.scale.reshape(shape), grid.zero_point.reshape(shape)
