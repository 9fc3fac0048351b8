"""Two levels of scales, against the published definition in loops."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.format import ChannelGrid, Inputs, Room
from edgeq.numerics.formats.table import parse_format
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.saturation import neighbours, worst_pairs


def _rows(kernel: tuple[int, ...], channels: int = 5, seed: int = 0) -> F32:
    chance = np.random.default_rng(seed)
    width = int(np.prod(kernel))
    return (chance.normal(size=(1, channels, width)) * chance.uniform(0.1, 2, (1, channels, width))).astype(np.float32)


def test_a_number_takes_four_and_a_quarter_bits() -> None:
    assert parse_format("two_level:16").nominal_bits == 4.25
    assert parse_format("two_level:64").nominal_bits == 4.0625
    stored = parse_format("two_level:16").fit(_rows((64, 3, 3)), None, (64, 3, 3))
    assert stored.nbytes == 5 * 576 // 2 + 5 * 36 // 2 + 5 * 4 + 5


def test_padding_counts_as_stored() -> None:
    stored = parse_format("two_level:16").fit(_rows((27,), channels=2), None, (27,))
    assert stored.nbytes == 2 * 32 // 2 + 2 * 2 // 2 + 2 * 4 + 2


@pytest.mark.parametrize("kernel", [(48,), (37,), (16, 3, 3), (3, 3, 3)])
def test_every_number_is_code_times_vector_scale_times_channel_scale(kernel: tuple[int, ...]) -> None:
    rows, width = _rows(kernel), int(np.prod(kernel))
    stored = parse_format("two_level:16").fit(rows, None, kernel)
    channel, vector = stored.scales
    assert vector.min() >= 1
    assert vector.max() <= 15
    taps = width // kernel[0]
    for c in range(rows.shape[1]):
        for i in range(kernel[0]):
            for t in range(taps):
                step = float(channel[0, c]) * int(vector[0, c, (t * kernel[0] + i) // 16])
                wanted, column = float(rows[0, c, i * taps + t]), i * taps + t
                nearest = min(range(-7, 8), key=lambda code: (abs(code * step - wanted), abs(code)))
                assert abs(nearest * step - wanted) == pytest.approx(abs(float(stored.real[0, c, column]) - wanted), abs=1e-6)


def test_vector_scales_are_the_best_that_there_are_for_the_channel_scale() -> None:
    rows = _rows((64,), channels=8)
    stored = parse_format("two_level:16").fit(rows, None, (64,))
    channel, vector = stored.scales
    misses = 0
    for c in range(8):
        for v in range(4):
            own = rows[0, c, 16 * v : 16 * v + 16].astype(np.float64)
            errors = [np.square(np.clip(np.rint(own / (s * channel[0, c])), -7, 7) * s * channel[0, c] - own).sum() for s in range(1, 16)]
            misses += int(np.argmin(errors)) + 1 != vector[0, c, v]
    assert misses <= 2  # scales far below the one that spans the vector are not tried


def test_no_pair_of_neighbours_reaches_a_limit_by_construction() -> None:
    kernel = (32, 3, 3)
    pairs = neighbours(kernel)
    stored = parse_format("two_level:16").fit(_rows(kernel), None, kernel, Room(pairs=pairs, limit=128))
    assert stored.scales[1].max() == 9
    grid = stored.format.codes8(stored)
    assert grid is not None
    assert np.abs(grid.codes).max() <= 63
    assert worst_pairs(grid.codes, pairs).max() <= 128


def test_it_is_nearer_than_one_scale_a_channel() -> None:
    rows = _rows((256,), channels=16)
    errors = [np.square(parse_format(word).fit(rows, None, (256,)).real - rows).sum() for word in ("two_level:16", "int4")]
    assert errors[0] < errors[1] / 1.7  # 2.3 dB


def test_codes_that_no_vector_scale_divides_are_not_of_the_format() -> None:
    scale, form = np.ones((1, 1), np.float32), parse_format("two_level:8")
    fits = ChannelGrid(scale, np.array([[[6, -15, 21, 0, 0, 0, 0, 0, 105]]], np.float32))  # 3 times 2, -5, 7; 15 times 7
    stored = form.encoded(fits, (9,))
    assert stored is not None
    assert stored.scales[1].tolist() == [[[3, 15]]]
    assert stored.elements.tolist() == [[[2, -5, 7, 0, 0, 0, 0, 0, 7]]]
    assert np.array_equal(stored.real, fits.codes)
    for odd in ([6, -15, 22], [8, 9, 0], [106, 0, 0], [-120, 0, 0]):
        assert form.encoded(ChannelGrid(scale, np.array([[odd]], np.float32)), (3,)) is None


def test_scales_follow_the_inputs_that_matter() -> None:
    rows = np.full((1, 1, 32), 0.1, np.float32)
    rows[0, 0, 0] = 1.0  # an outlier in the first vector
    matters, idle = np.ones(32), np.ones(32)
    idle[0] = 0.0
    step = [parse_format("two_level:16").fit(rows, Inputs(HalfMatrix.of(np.diag(one)[None])), (32,)).scales for one in (matters, idle)]
    assert step[1][0][0, 0] * step[1][1][0, 0, 0] < step[0][0][0, 0] * step[0][1][0, 0, 0]


def test_one_scale_for_all_channels_where_the_target_has_no_more() -> None:
    rows = _rows((32,)) * np.array([1, 2, 3, 4, 5], np.float32)[None, :, None]
    channel, _ = parse_format("two_level:16").fit(rows, None, (32,), Room(shared=True)).scales
    assert len(set(channel.reshape(-1).tolist())) == 1
