"""Small number types: every code, every tie and a million numbers against ml_dtypes, ONNX's
reference and a slow reference in fractions.
"""

from __future__ import annotations

from bisect import bisect
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from edgeq.numerics.formats.codecs.elements import ELEMENTS, Element

#: the same types in ml_dtypes, which ONNX's reference uses
PEERS = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}
#: exponent bits, mantissa bits, bias, largest finite number: OCP MX v1.0, tables 2 to 5
PUBLISHED = {"e2m1": (2, 1, 1, 6), "e2m3": (2, 3, 1, 7.5), "e3m2": (3, 2, 3, 28), "e4m3": (4, 3, 7, 448), "e5m2": (5, 2, 15, 57344)}
EACH = pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
FLOATS = pytest.mark.parametrize("element", [ELEMENTS[name] for name in PEERS], ids=PEERS)


def _published(element: Element) -> dict[int, Fraction]:
    """Each code and its number, from the definition, in fractions; infinities and NaN left out."""
    if element.name == "int8":
        return {code: Fraction(code - 256 if code > 127 else code, 64) for code in range(256) if code != 128}
    exponent, mantissa, bias, largest = PUBLISHED[element.name]
    found = {}
    for code in range(2 ** (1 + exponent + mantissa)):
        sign, field, rest = code >> (exponent + mantissa), (code >> mantissa) % 2**exponent, code % 2**mantissa
        fraction = Fraction(rest, 2**mantissa)
        size = Fraction(2) ** (field - bias) * (1 + fraction) if field else Fraction(2) ** (1 - bias) * fraction
        if size <= Fraction(largest):
            found[code] = -size if sign else size
    return found


class Slow:
    """The code of the nearest number, in fractions: ties to the even code, zero keeps its sign."""

    def __init__(self, element: Element) -> None:
        self.numbers = _published(element)
        positive = sorted((value, code) for code, value in self.numbers.items() if value > 0 or code == 0)
        # an integer has one zero, which belongs to both signs
        zeros = [(value, code) for code, value in self.numbers.items() if value == 0 and (code or not element.exponent)]
        negative = sorted([(-value, code) for code, value in self.numbers.items() if value < 0] + zeros)
        self.halves = {False: positive, True: negative}

    def encode(self, number: float) -> int:
        size, half = Fraction(abs(number)), self.halves[bool(np.signbit(number))]
        place = bisect(half, (size, 0))
        return min(half[max(place - 1, 0) : place + 1], key=lambda one: (abs(one[0] - size), one[1] % 2))[1]


@EACH
def test_every_code_stands_for_the_published_number(element: Element) -> None:
    published = _published(element)
    for code, value in published.items():
        assert Fraction(float(element.values[code])) == value
    finite = np.isfinite(element.values) & (np.arange(len(element.values)) != (128 if element.name == "int8" else -1))
    assert np.flatnonzero(finite).tolist() == sorted(published)
    assert element.largest == max(published.values())
    assert 2.0**element.most <= element.largest < 2.0 ** (element.most + 1)


@FLOATS
def test_values_are_those_of_ml_dtypes_with_infinities_and_nan(element: Element) -> None:
    theirs = np.arange(1 << element.bits, dtype=np.uint8).view(PEERS[element.name]).astype(np.float32)
    assert np.array_equal(element.values, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(element.values), np.signbit(theirs)) or np.isnan(theirs).any()


@EACH
def test_all_ties_and_their_neighbours_round_as_the_slow_reference(element: Element) -> None:
    slow, published = Slow(element), _published(element)
    numbers = np.array(sorted({float(value) for value in published.values()}), np.float64)
    ties = (numbers[1:] + numbers[:-1]) / 2
    beyond = np.array([0.0, -0.0, element.largest * 1.01, -element.largest * 4])
    for number in np.concatenate([numbers, ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf), beyond]):
        code = int(element.encode(np.array([number]))[0])
        assert published[code] == published[slow.encode(float(number))], number
        assert Fraction(float(element.nearest(np.array([number]))[0])) == published[code]


@EACH
def test_random_numbers_round_as_the_slow_reference(element: Element) -> None:
    rng = np.random.default_rng(5)
    numbers = np.clip(rng.standard_normal(20000) * np.exp2(rng.uniform(-8, 4, 20000)), -element.largest, element.largest)
    slow = Slow(element)
    assert element.decode(element.encode(numbers)).tolist() == [float(slow.numbers[slow.encode(number)]) for number in numbers.tolist()]


@FLOATS
def test_a_million_numbers_have_the_codes_of_ml_dtypes(element: Element) -> None:
    rng = np.random.default_rng(6)
    numbers = (rng.standard_normal(1 << 20) * np.exp2(rng.uniform(element.least - 6, element.most + 1, 1 << 20))).astype(np.float32)
    within = np.clip(numbers, -element.largest, element.largest)  # ONNX saturates; a cast of ml_dtypes to FP8 does not
    theirs = within.astype(PEERS[element.name]).view(np.uint8)
    assert np.count_nonzero(element.encode(numbers) != theirs) == 0


@EACH
def test_what_is_encoded_decodes_to_the_nearest_number(element: Element) -> None:
    numbers = np.linspace(-1.2 * element.largest, 1.2 * element.largest, 4001)
    assert np.array_equal(element.decode(element.encode(numbers)), element.nearest(numbers))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        ELEMENTS["e4m3"].encode(np.array([1.0, bad]))
