"""MX4, MX6 and MX9 as weights: the codec's numbers, int8 codes where they fit, exact bits."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.codecs.microexponents import BLOCK, MANTISSA, decode, encode
from edgeq.numerics.formats.codecs.microexponents import Microexponents as Coded
from edgeq.numerics.formats.format import ChannelGrid, Room
from edgeq.numerics.formats.microexponents import Microexponents
from edgeq.numerics.formats.table import parse_format
from edgeq.numerics.saturation import neighbours, worst_pairs

BITS = {"mx4": 4, "mx6": 6, "mx9": 9}
EACH = pytest.mark.parametrize("name", BITS)


def _rows(channels: int, kernel: tuple[int, ...], seed: int = 0) -> F32:
    chance = np.random.default_rng(seed)
    shape = (1, channels, int(np.prod(kernel)))
    return (chance.normal(size=shape) * np.exp2(chance.uniform(-2, 2, shape))).astype(np.float32)


@EACH
def test_nominal_bits_are_those_of_the_paper(name: str) -> None:
    assert parse_format(name).nominal_bits == BITS[name]
    stored = parse_format(name).fit(_rows(8, (96,)), None, (96,))
    more = 8 * 5 if parse_format(name).compute == "int8" else 0  # a float scale and a zero point for each channel
    assert 8 * stored.nbytes == BITS[name] * 8 * 96 + 8 * more


@EACH
@pytest.mark.parametrize("kernel", [(64,), (37,), (16, 3, 3)])
def test_numbers_are_what_the_codec_decodes(name: str, kernel: tuple[int, ...]) -> None:
    rows = _rows(5, kernel)
    stored = parse_format(name).fit(rows, None, kernel)
    exponents, shifts = (one[0].astype(np.int64) for one in stored.scales[-2:])
    if stored.format.compute == "int8":  # relative to the scale of the channel, where 1 is the smallest
        exponents = exponents - 1 + np.log2(stored.scales[0][0].astype(np.float64)).astype(np.int64)[:, None] + MANTISSA[name] + 127
    codes = cut(stored.elements, kernel, BLOCK)[0].astype(np.int8)
    coded = Coded(codes.reshape(len(codes), -1), exponents.astype(np.uint8), shifts.astype(np.uint8))
    assert np.array_equal(decode(coded, MANTISSA[name]), cut(stored.real, kernel, BLOCK)[0].reshape(len(codes), -1))


@EACH
def test_a_block_errs_no_more_than_by_the_rule_of_the_paper(name: str) -> None:
    rows = np.clip(_rows(64, (96,)), 1 / 4, 4)  # so that no exponent has to be raised
    own = np.square(parse_format(name).fit(rows, None, (96,)).real - rows).reshape(-1, BLOCK).sum(-1, dtype=np.float64)
    theirs = np.square(decode(encode(rows[0], MANTISSA[name]), MANTISSA[name]) - rows[0]).reshape(-1, BLOCK).sum(-1, dtype=np.float64)
    if name == "mx6":  # its int8 grid has room for less
        assert own.sum() <= theirs.sum() * 1.05
        return
    assert np.all(own <= theirs * (1 + 1e-6))
    assert own.sum() < theirs.sum() or name == "mx9"


@pytest.mark.parametrize(("name", "free", "limited"), [("mx4", 96, 48), ("mx6", 120, 60)])
def test_int8_codes_stay_within_the_room_that_they_have(name: str, free: int, limited: int) -> None:
    sizes = np.exp2(np.repeat(np.random.default_rng(2).integers(-7, 1, (1, 40, 8)), 32, axis=2)).astype(np.float32)
    rows = _rows(40, (256,)) * sizes
    pairs = neighbours((256,))
    for room, most in ((Room(), free), (Room(pairs=pairs, limit=128), limited)):
        grid = parse_format(name).codes8(parse_format(name).fit(rows, None, (256,), room))
        assert grid is not None
        assert np.abs(grid.codes).max() == most
        assert worst_pairs(grid.codes, pairs).max() <= (255 if room.limit is None else room.limit)


def test_codes_that_need_more_bits_than_an_element_has_are_refused() -> None:
    scale, codes = np.ones((1, 1), np.float32), np.zeros((1, 1, 16), np.float32)
    codes[0, 0, :4] = (12, 4, 2, 6)
    found = parse_format("mx4").encoded(ChannelGrid(scale, codes), (16,))
    assert found is not None
    assert found.elements[0, 0, :4].tolist() == [3, 1, 1, 3]
    assert found.scales[1].tolist() == [[[2]]]
    assert found.scales[2][0, 0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    codes[0, 0, 2] = 1  # twelve times smaller than the largest: two binades and a shift do not reach it
    assert parse_format("mx4").encoded(ChannelGrid(scale, codes), (16,)) is None
    assert isinstance(parse_format("mx9"), Microexponents)
    assert parse_format("mx9").encoded(ChannelGrid(scale, codes), (16,)) is None
