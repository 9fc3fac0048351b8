"""TFLite's fixed-point arithmetic, vectorised: a factor is a 32-bit multiplier and a power of two.

Source: gemmlowp/fixedpoint/fixedpoint.h and
tensorflow/lite/kernels/internal/{common,quantization_util}.cc. Arrays are int64 and hold int32
values. Rounding happens in two steps: SaturatingRoundingDoublingHighMul, then
RoundingDivideByPOT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F64, I64

INT32 = (-(1 << 31), (1 << 31) - 1)


@dataclass(frozen=True, eq=False)
class Multiplier:
    """A factor in fixed point: mantissa * 2^(exponent - 31). Arrays broadcast against the codes."""

    #: in [2^30, 2^31), or 0 for the factor 0
    mantissa: I64
    #: shift to the left; negative for factors below 1/2
    exponent: I64


def multiplier(factor: F64 | float) -> Multiplier:
    """The nearest fixed-point form of positive factors (QuantizeMultiplier); 0 below 2^-32."""
    fractions, exponents = np.frexp(np.asarray(factor, np.float64))
    mantissas = np.floor(fractions * (1 << 31) + 0.5).astype(np.int64)
    exponents = exponents.astype(np.int64) + (mantissas == 1 << 31)
    mantissas = np.where(mantissas == 1 << 31, 1 << 30, mantissas)
    tiny = exponents < -31
    return Multiplier(np.where(tiny, 0, mantissas), np.where(tiny, 0, exponents))


def scaled(x: I64, by: Multiplier) -> I64:
    """x * factor, rounded (MultiplyByQuantizedMultiplier)."""
    left = np.maximum(by.exponent, 0)
    return rounding_shift(doubling_high(np.asarray(x, np.int64) << left, by.mantissa), np.maximum(-by.exponent, 0))


def scaled_long(x: I64, by: Multiplier) -> I64:
    """x * factor, rounded, for sums of up to 48 bits, as the kernels of 16-bit activations do it.

    Of the mantissa 16 bits are used, halves are rounded up (MultiplyByQuantizedMultiplier of
    int64).
    """
    short = np.where(by.mantissa < 0x7FFF0000, (by.mantissa + (1 << 15)) >> 16, 0x7FFF)
    places = 15 - by.exponent
    return np.asarray((np.asarray(x, np.int64) * short + (np.int64(1) << (places - 1))) >> places, np.int64)


def doubling_high(a: I64, b: I64 | int, bits: int = 32) -> I64:
    """a * b / 2^(bits - 1), rounded and saturated (SaturatingRoundingDoublingHighMul).

    a and b are numbers of `bits` bits. Halves are rounded up.
    """
    product = a * b
    half = 1 << (bits - 2)
    nudged = product + np.where(product >= 0, half, 1 - half)
    result = truncated(nudged, 1 << (bits - 1))
    return np.asarray(np.clip(result, -(1 << (bits - 1)), (1 << (bits - 1)) - 1), np.int64)


def truncated(a: I64, by: int | I64) -> I64:
    """Division as in C: the quotient is rounded towards zero."""
    return np.asarray(np.sign(a) * (np.abs(a) // by), np.int64)


def rounding_shift(x: I64, exponent: I64 | int) -> I64:
    """x / 2^exponent, rounded with halves away from zero (RoundingDivideByPOT)."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + ((x & mask) > threshold), np.int64)


def saturating_left(x: I64, exponent: int, bits: int = 16) -> I64:
    """x * 2^exponent, saturated to `bits` bits."""
    return np.asarray(np.clip(x << exponent, -(1 << (bits - 1)), (1 << (bits - 1)) - 1), np.int64)


def to_16_bits(mantissa: int) -> int:
    """The upper 16 bits of a mantissa, rounded (DownScaleInt32ToInt16Multiplier)."""
    return min((mantissa + (1 << 15)) >> 16, (1 << 15) - 1)


def round_away(x: F64) -> F64:
    """x rounded with halves away from zero (std::round)."""
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + 0.5))


def factor_parts(factor: float) -> tuple[int, int]:
    """Mantissa and exponent of one factor."""
    found = multiplier(factor)
    return int(found.mantissa), int(found.exponent)
