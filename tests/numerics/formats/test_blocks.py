"""Blocks run along the input channels, and cutting a row loses nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeq.numerics.formats.blocks import cut, joined, padded, spread

KERNELS = [(1,), (16,), (37,), (3, 3, 3), (32, 3, 3), (20, 5), (1, 10, 4)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [2, 16, 32])
def test_cutting_and_joining_gives_rows_back(kernel: tuple[int, ...], size: int) -> None:
    rows = np.random.default_rng(0).normal(size=(2, 3, math.prod(kernel)))
    blocks = cut(rows, kernel, size)
    assert blocks.shape == (2, 3, padded(math.prod(kernel), size) // size, size)
    assert np.array_equal(joined(blocks, kernel), rows)
    assert np.count_nonzero(blocks) == np.count_nonzero(rows)


def test_a_block_of_a_convolution_holds_one_tap_of_neighbouring_channels() -> None:
    weight = np.arange(32 * 9).reshape(1, 1, -1)  # 32 channels of 3 x 3
    first = cut(weight, (32, 3, 3), 16)[0, 0]
    assert first[0].tolist() == [9 * channel for channel in range(16)]
    assert first[1].tolist() == [9 * channel for channel in range(16, 32)]
    assert first[2].tolist() == [9 * channel + 1 for channel in range(16)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_spread_gives_each_column_the_scale_of_its_block(kernel: tuple[int, ...]) -> None:
    columns = math.prod(kernel)
    where = cut(np.arange(columns), kernel, 16)
    scales = np.arange(len(where)) + 100
    found = spread(scales, kernel, 16)
    for block, members in enumerate(where):
        own = members[: columns - 16 * block]
        assert set(found[own]) == {block + 100}
