"""Codebooks: packing and tables give back exactly what went in, for every width, granularity and
shape.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.numerics.codebook import BITS, Grain, as_runs, codebook_bytes, decode, encode, parse_grain, stored_bytes
from edgeq.numerics.packing import PARTS, pack, packed_bytes, split, unpack

SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)
GRAINS = st.sampled_from(["tensor", "channel", "group:2", "group:3", "vector:2", "vector:3"]).map(parse_grain)


@settings(max_examples=80)
@given(st.sampled_from(BITS), st.integers(0, 70), st.integers(0, 10**6))
def test_packing_round_trips_at_every_length(bits: int, count: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 2**bits, count).astype(np.uint8)
    back, below, taken = np.zeros(count, np.uint8), 0, 0
    for width, part in split(values, bits):
        packed = pack(part, width)
        back |= unpack(packed, width, count) << np.uint8(below)
        below += width
        taken += packed.nbytes
    assert np.array_equal(back, values)
    assert taken == packed_bytes(count, bits)
    assert below == bits == sum(PARTS[bits])


def test_the_first_value_has_the_lowest_bits() -> None:
    assert pack(np.array([1, 2, 3], np.uint8), 4).tolist() == [0x21, 0x03]


@settings(max_examples=150)
@given(SHAPES, GRAINS, st.sampled_from(BITS), st.booleans(), st.integers(0, 10**6))
def test_decode_of_encode_is_the_array(shape: tuple[int, ...], grain: Grain, bits: int, floats: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=2**bits).astype(np.float32) if floats else rng.integers(-127, 128, 2**bits).astype(np.int8)
    array = rng.choice(values, shape)
    axis = int(rng.integers(len(shape)))
    book = encode(array, grain, axis, bits)
    if book is None:
        assert grain.vector > 1  # pairs of values can be more than single ones
        return
    back = decode(book)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array)
    assert book.bits <= bits or bits == 7


def test_decode_is_the_table_lookup() -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(-4, 4, (6, 5)).astype(np.int8)
    book = encode(array, Grain(2), 0)
    assert book is not None
    for channel in range(6):
        assert np.array_equal(array[channel], book.tables[channel // 2, :, 0][book.indices[channel]])


def test_too_many_values_for_the_bits_have_no_codebook() -> None:
    assert encode(np.arange(17, dtype=np.int8), Grain(), 0, 4) is None
    assert encode(np.arange(16, dtype=np.int8), Grain(), 0, 4) is not None


def test_the_fewest_bits_that_do() -> None:
    book = encode(np.array([3, 3, 5, 9], np.int8), Grain(), 0, 8)
    assert book is not None
    assert (book.bits, book.tables.reshape(-1).tolist()) == (2, [3, 5, 9])


def test_the_textbook_matrix_costs_20_bytes() -> None:
    """Han et al., Deep Compression: 4 x 4 floats, 2-bit indices and four centroids."""
    array = np.tile(np.array([2.0, 1.5, 0.0, -1.0], np.float32), (4, 1))
    book = encode(array, Grain(), 0, 2)
    assert book is not None
    assert (array.nbytes, stored_bytes(book)) == (64, 2 * 16 // 8 + 32 * 4 // 8)
    assert codebook_bytes(16, 2, Grain(), 4, 4) == 20


@pytest.mark.parametrize("word", ["tensor", "channel", "group:16", "vector:4"])
def test_granularity_words_round_trip(word: str) -> None:
    assert str(parse_grain(word)) == word


@pytest.mark.parametrize("word", ["", "group", "group:0", "vector:-1", "channels", "group:1.5"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="granularity is"):
        parse_grain(word)


def test_runs_cover_the_array() -> None:
    assert as_runs((8, 3, 2), Grain(4), 0) == (1, 2, 24)
    assert as_runs((3, 8), Grain(4), 1) == (3, 2, 4)
    assert as_runs((6, 2), Grain(4), 0) == (0, 0, 0)
