"""int8 and int4, against slow loops."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.formats.format import ChannelGrid, Inputs, Room
from edgeq.numerics.formats.table import parse_format
from edgeq.numerics.rounding.descent import error_of
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.saturation import neighbours, worst_pairs


@pytest.mark.parametrize(("word", "least", "most"), [("int8", -127, 127), ("int4", -8, 7)])
def test_every_number_takes_its_nearest_code(word: str, least: int, most: int) -> None:
    rows = np.random.default_rng(1).normal(size=(1, 3, 20)).astype(np.float32)
    stored = parse_format(word).fit(rows, None, (20,))
    for channel in range(3):
        scale = stored.scales[0][0, channel]
        for column in range(20):
            wanted = rows[0, channel, column]
            nearest = min(range(least, most + 1), key=lambda code: abs(code * float(scale) - float(wanted)))
            assert stored.elements[0, channel, column] == nearest
            assert stored.real[0, channel, column] == np.float32(nearest) * scale


def test_int4_uses_all_sixteen_codes_and_int8_not_its_lowest() -> None:
    rows = np.array([[[-8.0, 6.0, 3.0, -1.0], [7.0, -3.0, 1.0, -5.0]]], np.float32)
    assert np.array_equal(parse_format("int4").fit(rows, None, (4,)).elements, rows)
    assert parse_format("int8").fit(rows, None, (4,)).elements.min() == -127


def test_bytes_are_codes_scales_and_zero_points() -> None:
    rows = np.random.default_rng(1).normal(size=(1, 3, 25)).astype(np.float32)
    assert parse_format("int8").fit(rows, None, (25,)).nbytes == 75 + 3 * 4 + 3
    four = parse_format("int4").fit(rows, None, (25,))
    assert four.nbytes == 38 + 3 * 4 + 3  # 75 halves of a byte
    assert four.bits_per_weight == pytest.approx(8 * 53 / 75)


def test_codes_that_are_too_large_are_no_int4() -> None:
    grid = ChannelGrid(np.ones((1, 1), np.float32), np.array([[[7.0, -8.0, 3.0]]], np.float32))
    large = ChannelGrid(grid.scale, np.array([[[8.0, 0.0, 3.0]]], np.float32))
    assert parse_format("int4").encoded(grid, (3,)) is not None
    assert parse_format("int4").encoded(large, (3,)) is None
    assert parse_format("int8").encoded(large, (3,)) is not None


def test_int8_keeps_neighbours_within_the_limit() -> None:
    rows = np.full((1, 2, 8), 0.9, np.float32)
    pairs = neighbours((8,))
    free, bounded = (parse_format("int8").fit(rows, None, (8,), room) for room in (Room(), Room(pairs=pairs, limit=128)))
    assert worst_pairs(free.elements, pairs).max() > 128
    assert worst_pairs(bounded.elements, pairs).max() <= 128


def test_scales_of_int4_are_chosen_by_what_feedback_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    rows, mixed = rng.normal(size=(1, 16, 36)).astype(np.float32), rng.normal(size=(200, 6)) @ rng.normal(size=(6, 36))
    moment = (mixed + 0.3 * rng.normal(size=(200, 36))).T @ (mixed + 0.3 * rng.normal(size=(200, 36))) / 200
    inputs = Inputs(HalfMatrix.of((moment + moment.T)[None] / 2))
    assert inputs.damped is not None
    chosen = error_of(rows, parse_format("int4").fit(rows, inputs, (36,)).real, inputs.damped)
    monkeypatch.setattr("edgeq.numerics.formats.format.FACTORS", ())
    single = error_of(rows, parse_format("int4").fit(rows, inputs, (36,)).real, inputs.damped)
    assert chosen.sum() < 0.97 * single.sum()
