"""Scales of vectors that move together with their codes, against a slow search in loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgeq.numerics.arrays import F32, U8
from edgeq.numerics.formats.blocks import cut, spread
from edgeq.numerics.formats.format import Format, Inputs, Room
from edgeq.numerics.formats.table import parse_format
from edgeq.numerics.formats.two_level_descent import descend_vectors
from edgeq.numerics.rounding.descent import error_of
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.saturation import neighbours, worst_pairs


def _moment(groups: int, columns: int, seed: int = 1) -> F32:
    chance = np.random.default_rng(seed)
    inputs = chance.normal(size=(groups, 4 * columns, columns)) + chance.normal(size=(groups, 4 * columns, 1))
    return (np.swapaxes(inputs, 1, 2) @ inputs / inputs.shape[1] + 0.01 * np.eye(columns)).astype(np.float32)


def _start(rows: F32, kernel: tuple[int, ...], size: int, most: int, largest: int) -> tuple[F32, U8, F32]:
    """Channel scales, vector scales at random, and the nearest codes."""
    channel = (np.abs(rows).max(-1) / (most * 4)).astype(np.float32)
    blocks = cut(rows, kernel, size).shape[2]
    vector = np.random.default_rng(7).integers(1, largest + 1, (*rows.shape[:2], blocks)).astype(np.uint8)
    steps = channel[..., None] * spread(vector.astype(np.float32), kernel, size)
    return channel, vector, np.clip(np.rint(rows / steps), -most, most).astype(np.float32)


def _numbers(channel: F32, vector: U8, codes: F32, kernel: tuple[int, ...], size: int) -> F32:
    return (codes * channel[..., None] * spread(vector.astype(np.float32), kernel, size)).astype(np.float32)


@pytest.mark.parametrize("kernel", [(48,), (37,), (16, 3), (3, 3, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_no_row_gets_worse_and_most_get_better(kernel: tuple[int, ...], groups: int) -> None:
    columns = int(np.prod(kernel))
    rows = np.random.default_rng(0).normal(size=(groups, 12, columns)).astype(np.float32)
    moment = _moment(groups, columns)
    channel, vector, codes = _start(rows, kernel, 16, 7, 9)
    scales, found = descend_vectors(rows, moment, channel, (vector, codes), kernel, 16, (7, 9))
    before, after = (error_of(rows, _numbers(channel, *one, kernel, 16), moment) for one in ((vector, codes), (scales, found)))
    assert (after <= before * (1 + 1e-5)).all()
    assert after.sum() < 0.7 * before.sum()
    assert (scales.min(), scales.max() <= 9, np.abs(found).max() <= 7) >= (1, True, True)


def test_a_vector_ends_near_the_best_of_all_scales_and_codes() -> None:
    """Vectors of 3 with codes of -1..1 and scales up to 5: 135 choices, all of them tried."""
    rows = np.random.default_rng(2).normal(size=(1, 40, 3)).astype(np.float32)
    moment = _moment(1, 3)
    channel, vector, codes = _start(rows, (3,), 3, 1, 5)
    vector[...] = 3
    scales, found = descend_vectors(rows, moment, channel, (vector, codes), (3,), 3, (1, 5))
    after = error_of(rows, _numbers(channel, scales, found, (3,), 3), moment)[0]
    least = np.empty(40)
    for row in range(40):
        choices = [np.array(codes) * s * channel[0, row] for s in range(1, 6) for codes in itertools.product((-1, 0, 1), repeat=3)]
        least[row] = min(float((rows[0, row] - one) @ moment[0] @ (rows[0, row] - one)) for one in choices)
    assert (after <= 1.6 * least + 1e-6).all()
    assert after.sum() <= 1.1 * least.sum()


def test_inputs_that_are_always_zero_move_nothing() -> None:
    rows = np.random.default_rng(3).normal(size=(1, 4, 32)).astype(np.float32)
    channel, vector, codes = _start(rows, (32,), 16, 7, 9)
    scales, found = descend_vectors(rows, np.zeros((1, 32, 32), np.float32), channel, (vector, codes), (32,), 16, (7, 9))
    assert np.array_equal(scales, vector)
    assert np.array_equal(found, codes)


@pytest.mark.parametrize("kernel", [(64,), (16, 3, 3)])
def test_two_levels_are_nearer_once_scales_of_vectors_move(kernel: tuple[int, ...]) -> None:
    """Against what every other format does: scales by the diagonal, then feedback and descent."""
    columns = int(np.prod(kernel))
    rows = np.random.default_rng(4).normal(size=(1, 24, columns)).astype(np.float32)
    moment = _moment(1, columns).astype(np.float64)
    inputs, form, room = Inputs(HalfMatrix.of(moment)), parse_format("two_level:16"), Room(pairs=neighbours(kernel), limit=128)
    found, usual = form.fit(rows, inputs, kernel, room), Format.fit(form, rows, inputs, kernel, room)
    errors = [error_of(rows, one.real, moment.astype(np.float32)).sum() for one in (found, usual)]
    assert errors[0] < errors[1]
    grid = form.codes8(found)
    assert grid is not None
    assert worst_pairs(grid.codes, neighbours(kernel)).max() <= 128
