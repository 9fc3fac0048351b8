"""Drawn pictures: the same for the same seed, and with the statistics of photographs."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.data.synthetic.dead_leaves import dead_leaves
from edgeq.numerics.arrays import F64


def stack(seed: int, count: int = 12, size: int = 64) -> F64:
    return np.stack([dead_leaves(seed, index, size, size) for index in range(count)]).astype(np.float64)


def test_a_picture_is_a_function_of_seed_number_and_size() -> None:
    np.testing.assert_array_equal(dead_leaves(3, 5, 20, 30), dead_leaves(3, 5, 20, 30))
    others = (dead_leaves(4, 5, 20, 30), dead_leaves(3, 6, 20, 30))
    assert all((dead_leaves(3, 5, 20, 30) != other).any() for other in others)


@pytest.mark.parametrize("size", [(8, 8), (7, 33), (100, 9)])
def test_pictures_have_any_size_and_cover_the_range_of_pixels(size: tuple[int, int]) -> None:
    pictures = np.stack([dead_leaves(0, index, *size) for index in range(20)])
    assert (pictures.shape, pictures.dtype) == ((20, *size, 3), np.uint8)
    assert pictures.min() < 30
    assert pictures.max() > 225


def test_differences_of_neighbours_have_long_tails() -> None:
    """Photographs are even with edges: the kurtosis of their differences is far above a normal
    law's 3, which noise of any spectrum has.
    """
    steps = np.diff(stack(0)[..., 1], axis=2).ravel()
    assert np.mean(steps**4) / np.mean(steps**2) ** 2 > 8


def test_the_spectrum_falls_as_that_of_photographs() -> None:
    """The power falls about as 1 / f^2, whatever the scale."""
    power = np.mean(np.abs(np.fft.rfft(stack(1)[..., 1] - stack(1)[..., 1].mean((1, 2), keepdims=True), axis=2)) ** 2, axis=(0, 1))
    waves = np.arange(2, 24)
    slope = np.polyfit(np.log(waves), np.log(power[waves]), 1)[0]
    assert -2.6 < slope < -1.2


def test_colours_vary_less_than_lightness() -> None:
    pictures = stack(2)
    light = pictures.mean(-1, keepdims=True)
    assert (pictures - light).std() < light.std() / 2


def test_every_set_holds_dull_and_stark_pictures() -> None:
    """The looks are spread evenly, so that no seed draws a set of one kind."""
    contrasts = [np.sort(stack(seed, 16, 32).std((1, 2, 3))) for seed in range(6)]
    assert np.std([each.mean() for each in contrasts]) < 0.1 * np.mean(contrasts)
