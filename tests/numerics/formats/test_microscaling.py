"""The OCP formats as weights: the codec's numbers, int8 codes where they fit, exact bits."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.codecs.elements import ELEMENTS, Element
from edgeq.numerics.formats.codecs.shared_exponents import BLOCK, decode, encode, with_exponents
from edgeq.numerics.formats.format import ChannelGrid, Inputs, Room, Stored
from edgeq.numerics.formats.microscaling import Microscaling
from edgeq.numerics.formats.table import parse_format
from edgeq.numerics.rounding.half_matrix import HalfMatrix

BITS = {"mxfp4": 4.25, "mxfp6_e2m3": 6.25, "mxfp6_e3m2": 6.25, "mxfp8_e4m3": 8.25, "mxfp8_e5m2": 8.25, "mxint8": 8.25}
EACH = pytest.mark.parametrize("name", BITS)


def _rows(channels: int, kernel: tuple[int, ...], seed: int = 0) -> F32:
    chance = np.random.default_rng(seed)
    shape = (1, channels, int(np.prod(kernel)))
    return (chance.normal(size=shape) * np.exp2(chance.uniform(-2, 2, shape))).astype(np.float32)


def _element(name: str) -> Element:
    found = parse_format(name)
    assert isinstance(found, Microscaling)
    return found.element


def _exponents(stored: Stored) -> F32:
    """The exponent of each block [C, B] of a weight of one group."""
    if stored.format.compute == "float":
        return stored.scales[0][0].astype(np.int64) - 127
    channel = np.log2(stored.scales[0][0].astype(np.float64)).astype(np.int64)
    return channel[:, None] + stored.scales[1][0] + 1


@EACH
def test_nominal_bits_are_those_of_the_specification(name: str) -> None:
    assert parse_format(name).nominal_bits == BITS[name]
    stored = parse_format(name).fit(_rows(8, (96,)), None, (96,))
    more = 8 * 5 if parse_format(name).compute == "int8" else 0  # a float scale and a zero point for each channel
    assert 8 * stored.nbytes == BITS[name] * 8 * 96 + 8 * more


@EACH
@pytest.mark.parametrize("kernel", [(64,), (37,), (16, 3, 3)])
def test_numbers_are_those_of_the_codec_under_the_same_exponents(name: str, kernel: tuple[int, ...]) -> None:
    rows = _rows(5, kernel)
    stored = parse_format(name).fit(rows, None, kernel)
    blocks, exponents = cut(rows, kernel, BLOCK)[0].reshape(-1, BLOCK), _exponents(stored).reshape(-1, 1)
    coded = with_exponents(blocks, exponents, _element(name))
    assert np.array_equal(decode(coded, _element(name)), cut(stored.real, kernel, BLOCK)[0].reshape(-1, BLOCK))


@EACH
def test_a_block_errs_no_more_than_by_any_published_rule(name: str) -> None:
    rows, element = _rows(64, (96,)), _element(name)
    wide = parse_format(name) if parse_format(name).compute == "float" else _as_float(name)
    own = np.square(wide.fit(rows, None, (96,)).real - rows).reshape(-1, BLOCK).sum(-1, dtype=np.float64)
    for rule in ("floor", "even", "ceil"):
        theirs = np.square(decode(encode(rows[0], element, rule), element) - rows[0]).reshape(-1, BLOCK).sum(-1, dtype=np.float64)  # type: ignore[arg-type]
        assert np.all(own <= theirs * (1 + 1e-6))


def _as_float(name: str) -> Microscaling:
    found = parse_format(name)
    assert isinstance(found, Microscaling)
    return Microscaling(found.name, found.bits, found.levels[1:], "float", found.element)


@pytest.mark.parametrize(("limit", "largest", "span"), [(None, 96, 3), (128, 48, 2)])
def test_only_exponents_that_do_not_fit_one_int8_grid_are_raised(limit: int | None, largest: int, span: int) -> None:
    rows = _rows(32, (256,)) * np.exp2(np.repeat(np.random.default_rng(1).integers(-6, 1, (1, 32, 8)), 32, axis=2)).astype(np.float32)
    room = Room(pairs=() if limit is None else (np.array([[0, 1]]),), limit=limit)
    stored = parse_format("mxfp4").fit(rows, None, (256,), room)
    free = _as_float("mxfp4").fit(rows, None, (256,))
    before, after = _exponents(free), _exponents(stored)
    top = before.max(-1, keepdims=True)
    assert np.array_equal(after, np.maximum(before, top - span))
    assert np.any(after > before)
    grid = parse_format("mxfp4").codes8(stored)
    assert grid is not None
    assert np.abs(grid.codes).max() <= largest
    same = (after == before)[0] if after.ndim > 2 else after == before
    kept = np.repeat(same, BLOCK, axis=-1)
    assert np.array_equal(stored.real[0][kept], free.real[0][kept])


def test_codes_that_are_no_elements_are_refused() -> None:
    scale = np.ones((1, 1), np.float32)
    codes = np.zeros((1, 1, 64), np.float32)
    codes[0, 0, :3] = (12, 5, 1)  # 5 is 2.5 times the unit of 2, and no element
    assert parse_format("mxfp4").encoded(ChannelGrid(scale, codes), (64,)) is None
    codes[0, 0, 1] = 6
    found = parse_format("mxfp4").encoded(ChannelGrid(scale, codes), (64,))
    assert found is not None
    assert found.elements[0, 0, :3].tolist() == [6.0, 3.0, 0.5]
    assert parse_format("mxfp8_e4m3").encoded(ChannelGrid(scale, codes), (64,)) is None


def test_a_scale_that_is_allowed_stays_a_power_of_two() -> None:
    rows = _rows(6, (64,))
    for factor in (0.3, 3.0):
        stored = parse_format("mxfp4").fit(rows, None, (64,), Room(allowed=lambda scale, factor=factor: scale * np.float32(factor)))
        free = parse_format("mxfp4").fit(rows, None, (64,))
        fraction, _ = np.frexp(stored.scales[0])
        assert np.all(fraction == 0.5)
        bound = stored.scales[0] / free.scales[0] / np.float32(factor)
        assert np.all(bound >= 1 if factor > 1 else bound <= 1)


@EACH
def test_rounding_with_the_data_in_view_chooses_elements_and_errs_less(name: str) -> None:
    rows = _rows(16, (96,), seed=3)
    chance = np.random.default_rng(4)
    inputs = chance.normal(size=(400, 12)) @ chance.normal(size=(12, 96)) + 0.3 * chance.normal(size=(400, 96))
    moment = inputs.T @ inputs / 400
    wanted, nearest = (parse_format(name).fit(rows, one, (96,)) for one in (Inputs(HalfMatrix.of(moment[None])), None))
    assert np.isin(wanted.elements, _element(name).values).all()
    errors = [np.einsum("ck,kl,cl", rest, moment, rest) for rest in (wanted.real[0] - rows[0], nearest.real[0] - rows[0])]
    assert errors[0] < 0.7 * errors[1]


def test_elements_stay_when_the_format_is_asked_for_the_nearest_of_a_column() -> None:
    codes = parse_format("mxfp6_e3m2").codes(Room())
    values = np.unique(ELEMENTS["e3m2"].values)
    middle = (values[1:] + values[:-1]) / 2
    chosen = codes.nearest(middle[None], -28.0, 28.0)[0]
    assert np.isin(chosen, values).all()
    assert np.abs(codes.nearest(np.array([[99.0, -99.0]]), -28.0, 28.0)).tolist() == [[28.0, 28.0]]
