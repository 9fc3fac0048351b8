"""Bits of each layer: within the budget, and close to the best of all combinations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.few_bits.fewest_bits import MOST, WITHIN, fewest_bits
from edgeq.numerics.bit_allocation import WidthOption, allocate, distortions

WIDTHS = (1, 2, 4, 8)


def layers(count: int, seed: int) -> dict[str, list[WidthOption[int]]]:
    rng = np.random.default_rng(seed)
    found = {}
    for name in "abcde"[:count]:
        size, cost = int(rng.integers(100, 5000)), float(rng.uniform(0.01, 10))
        found[name] = [WidthOption(bits, size * bits // 8 + 2**bits, cost * 4.0**-bits) for bits in WIDTHS]
    return found


@settings(max_examples=60)
@given(st.integers(1, 5), st.floats(0, 1), st.integers(0, 10**6))
def test_fits_the_budget_and_comes_close_to_the_best(count: int, share: float, seed: int) -> None:
    choices = layers(count, seed)
    least, most = (sum(pick(c.bytes for c in options) for options in choices.values()) for pick in (min, max))
    budget = least + share * (most - least)
    found = allocate(choices, budget)
    picked = [next(c for c in choices[key] if c.bits == bits) for key, bits in found.items()]
    assert sum(c.bytes for c in picked) <= budget
    combinations = [combo for combo in product(*choices.values()) if sum(c.bytes for c in combo) <= budget]
    best = min(sum(c.damage for c in combo) for combo in combinations)
    worst_step = max(options[0].damage for options in choices.values())
    assert sum(c.damage for c in picked) <= best + worst_step  # greedy misses at most one step


def test_more_bytes_never_do_more_damage() -> None:
    choices = layers(5, 3)

    def damage(budget: float) -> float:
        return sum(next(c.damage for c in choices[key] if c.bits == bits) for key, bits in allocate(choices, budget).items())

    damages = [damage(budget) for budget in range(0, 20_000, 500)]
    assert damages == sorted(damages, reverse=True)


def test_what_matters_more_gets_more() -> None:
    costs = {"a": 1.0, "b": 100.0}
    choices = {name: [WidthOption(bits, 1000 * bits // 8, cost * 4.0**-bits) for bits in WIDTHS] for name, cost in costs.items()}
    found = allocate(choices, 700)
    assert found["b"] > found["a"]


def test_too_small_a_budget_takes_the_cheapest() -> None:
    assert set(allocate(layers(3, 0), 0).values()) == {1}


def test_distortion_falls_by_about_six_decibels_a_bit() -> None:
    found = distortions(np.random.default_rng(0).normal(size=(1, 8, 2000)).astype(np.float32), (2, 3, 4, 5))
    steps = [10 * np.log10(found[bits] / found[bits + 1]) for bits in (2, 3, 4)]
    assert all(4.5 < step < 6.5 for step in steps)


def test_the_smallest_that_is_good_enough() -> None:
    best, sqnr = fewest_bits(lambda bits: (bits, 6 * bits), 20.0)
    assert sqnr >= 20
    assert best - 20 / 6 <= WITHIN


def test_none_good_enough_gives_the_largest() -> None:
    assert fewest_bits(lambda bits: (bits, bits), 100.0) == (MOST, MOST)


@pytest.mark.parametrize("rows", [np.zeros((1, 2, 8), np.float32), np.ones((1, 1, 1), np.float32)])
def test_weights_without_spread_have_no_distortion(rows: np.ndarray) -> None:
    assert all(share == pytest.approx(0) for share in distortions(rows, (1, 4)).values())
