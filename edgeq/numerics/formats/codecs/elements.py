"""Small number types: the elements of the microscaling (MX) formats, and their codes.

Source: OCP Microscaling Formats (MX) Specification v1.0, sections 5.3 and 6.3. A floating-point
code is sign, exponent field e, mantissa field m. Its value is 2^(1 - bias) * m / 2^M where e is 0
(subnormal), else 2^(e - bias) * (1 + m / 2^M), with M bits of mantissa. INT8 is two's complement in
units of 2^-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.numerics.arrays import F32, F64, U8

ElementName = Literal["e2m1", "e2m3", "e3m2", "e4m3", "e5m2", "int8"]


@dataclass(frozen=True)
class Element:
    """A number type of 4, 6 or 8 bits."""

    #: the name, as in e2m1: exponent and mantissa bits
    name: ElementName
    #: bits of a code
    bits: int
    #: bits of the exponent field; 0: an integer, whose binary point follows its first digit
    exponent: int
    #: bits of the mantissa field, or of the fraction of an integer
    mantissa: int
    #: the exponent of the largest power of two that it has
    most: int
    #: the largest finite number
    largest: float

    @property
    def least(self) -> int:
        """The exponent of the smallest power of two that is not subnormal."""
        return 2 - (1 << (self.exponent - 1)) if self.exponent else 0

    @cached_property
    def values(self) -> F32:
        """The number that each code stands for, float32 [2^bits]; NaN and infinity included.

        >>> ELEMENTS["e2m1"].values[:8].tolist()
        [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
        """
        if not self.exponent:
            return np.ldexp(np.arange(1 << self.bits, dtype=np.uint8).view(np.int8).astype(np.float32), -self.mantissa)
        field, fraction = np.divmod(np.arange(1 << (self.bits - 1)), 1 << self.mantissa)
        whole = np.where(field > 0, fraction + (1 << self.mantissa), fraction)
        sizes = np.ldexp(whole.astype(np.float32), np.maximum(field - 1, 0) + self.least - self.mantissa)
        beyond = sizes > self.largest
        sizes[beyond] = np.where((fraction == 0) & (self.name == "e5m2"), np.inf, np.nan)[beyond]
        return np.concatenate([sizes, -sizes]).astype(np.float32)

    def nearest(self, numbers: NDArray[np.floating]) -> F64:
        """The nearest finite number of this type to each number, of any shape.

        Ties go to the even code, what is too large to the largest.

        >>> ELEMENTS["e2m1"].nearest(np.array([2.5, 3.5, -0.25, 5.0, 700.0])).tolist()
        [2.0, 4.0, -0.0, 4.0, 6.0]
        """
        wide = np.asarray(numbers, np.float64)
        step = self._step(wide)
        return np.asarray(np.clip(np.rint(wide / step) * step, -self.largest, self.largest))

    def encode(self, numbers: NDArray[np.floating]) -> U8:
        """The code of the nearest finite number to each number; the sign of zero is kept.

        Raises ValueError for numbers that are not finite.

        >>> ELEMENTS["e2m1"].encode(np.array([2.5, -6.0])).tolist()
        [4, 15]
        """
        if not np.isfinite(numbers).all():
            raise ValueError(f"{self.name} encodes finite numbers")
        found = self.nearest(numbers)
        if not self.exponent:
            return np.ldexp(found, self.mantissa).astype(np.int8).view(np.uint8)
        sizes = np.abs(found)
        step = self._step(sizes)
        # codes in order of size: 2^M of them a binade, and the subnormal ones before the first
        binade = np.rint(np.log2(step)).astype(np.int64) + self.mantissa - self.least
        codes = (binade << self.mantissa) + np.rint(sizes / step).astype(np.int64)
        return (codes | (np.signbit(found).astype(np.int64) << (self.bits - 1))).astype(np.uint8)

    def decode(self, codes: U8) -> F32:
        """The numbers of codes, exact."""
        return self.values[codes]

    def _step(self, numbers: F64) -> F64:
        """The distance of neighbours in the binade of each number."""
        if not self.exponent:
            return np.full(numbers.shape, 2.0**-self.mantissa)
        binade = np.where(numbers == 0, self.least, np.maximum(np.frexp(numbers)[1] - 1, self.least))
        return np.asarray(np.ldexp(1.0, np.minimum(binade, self.most) - self.mantissa))


ELEMENTS: dict[ElementName, Element] = {
    element.name: element
    for element in (
        Element("e2m1", 4, 2, 1, 2, 6.0),
        Element("e2m3", 6, 2, 3, 2, 7.5),
        Element("e3m2", 6, 3, 2, 4, 28.0),
        Element("e4m3", 8, 4, 3, 8, 448.0),
        Element("e5m2", 8, 5, 2, 15, 57344.0),
        # -2 has a code but no counterpart: the specification lets an encoder leave it out
        Element("int8", 8, 0, 6, 0, 127 / 64),
    )
}
