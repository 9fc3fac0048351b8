"""The fewest bits that reach a floor, found by halving."""

from __future__ import annotations

import pytest

from edgeq.few_bits.fewest_bits import FEWEST, MOST, WITHIN, fewest_bits


def made(bits: float) -> tuple[float, float]:
    """6 dB for every bit: the bits themselves, and their SQNR."""
    return bits, 6.0 * bits


@pytest.mark.parametrize("floor", [0.0, 9.0, 12.1, 30.0, 44.9, 45.0])
def test_the_fewest_bits_that_reach_the_floor(floor: float) -> None:
    bits, sqnr = fewest_bits(made, floor)
    assert sqnr >= floor
    assert bits <= max(floor / 6, FEWEST) + WITHIN
    assert FEWEST < bits <= MOST


def test_the_most_bits_where_none_reach_it() -> None:
    assert fewest_bits(made, 46.0) == (MOST, 6 * MOST)


def test_what_does_not_rise_with_bits_still_reaches_the_floor() -> None:
    uneven = {bits / 8: 20.0 if bits % 3 else 40.0 for bits in range(65)} | {MOST: 40.0}
    assert fewest_bits(lambda bits: (bits, uneven.get(bits, 0.0)), 30.0)[1] >= 30.0
