"""Half matrices: exact sums in any order, panels and column blocks, the same numbers as dense."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.rounding import half_matrix
from edgeq.numerics.rounding.exact_sums import ExactSums, sums_bytes
from edgeq.numerics.rounding.half_matrix import ROWS, HalfMatrix, panels_of


def codes(groups: int, rows: int, size: int, largest: int = 255, seed: int = 0) -> F32:
    return np.random.default_rng(seed).integers(-largest, largest, (groups, rows, size), endpoint=True).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "widest", "unit"), [(1, 8, 1), (40, 64, 1), (40, 17, 1), (54, 20, 9), (ROWS + 3, 4096, 1), (2 * ROWS, ROWS, 2)]
)
def test_panels_hold_the_half_of_every_block_once(size: int, widest: int, unit: int) -> None:
    seen = np.zeros((size, size), int)
    for one in panels_of(size, unit, widest):
        seen[one.start : one.stop, one.start : one.end] += 1
    blocks = sorted({one.end for one in panels_of(size, unit, widest)})
    assert blocks[-1] == size
    assert all(end % unit == 0 for end in blocks[:-1])
    assert max(np.diff([0, *blocks])) <= widest + unit - 1
    for start, end in zip([0, *blocks], blocks, strict=False):
        block = seen[start:end, start:end]
        assert np.all(block + block.T >= 1)
        assert np.all(np.triu(block) <= 1)
        assert not seen[start:end, end:].any()


@pytest.mark.parametrize(("groups", "rows", "size"), [(1, 3, 5), (3, 700, 9), (1, 1500, ROWS + 20), (1, 0, 4)])
@pytest.mark.parametrize("largest", [3, 255])
def test_sums_are_exact_however_the_rows_come(groups: int, rows: int, size: int, largest: int) -> None:
    x = codes(groups, rows, size, largest)
    at_once, in_parts = (ExactSums(groups, panels_of(size)) for _ in range(2))
    at_once.add(x)
    for start in range(0, rows, 101):
        in_parts.add(x[:, start : start + 101])
    whole = x.astype(np.int64)
    wanted = np.swapaxes(whole, 1, 2) @ whole
    for sums in (at_once, in_parts):
        found = HalfMatrix(groups, size, sums.panels, sums.parts)
        assert np.array_equal(found.dense(), wanted)
        assert np.array_equal(found.diagonal(), np.einsum("gkk->gk", wanted))


def test_rows_of_the_largest_codes_are_added_in_pieces_that_float32_adds_exactly() -> None:
    """More than 258 rows of 255 would leave float32's 24 bits: the last sums are odd."""
    x = np.full((1, 2049, 3), 255, np.float32)
    sums = ExactSums(1, panels_of(3))
    sums.add(x)
    assert np.all(sums.parts[0] == 255 * 255 * 2049)


def test_sums_beyond_int32_become_wider() -> None:
    sums = ExactSums(1, panels_of(2))
    sums.add(np.full((1, 200, 2), 255, np.float32), 1 << 12)
    assert sums.parts[0].dtype == np.int64
    assert np.all(sums.parts[0] == 255 * 255 * 200 << 12)


def test_mapped_sums_are_the_same() -> None:
    x = codes(2, 900, 30)
    plain, mapped = (ExactSums(2, panels_of(30, 1, 16), spilled) for spilled in (False, True))
    for sums in (plain, mapped):
        sums.add(x, 3)
    assert all(np.array_equal(a, b) for a, b in zip(plain.parts, mapped.parts, strict=True))
    assert all(isinstance(part, np.memmap) for part in mapped.parts)


def test_the_bytes_of_sums_are_about_half_of_the_matrix() -> None:
    sums = ExactSums(2, panels_of(1000))
    assert sums_bytes(2, panels_of(1000)) == sum(part.nbytes for part in sums.parts)
    assert sums_bytes(1, panels_of(4096)) < 0.54 * 4 * 4096**2
    assert sums_bytes(1, panels_of(8640, 9)) < 0.2 * 4 * 8640**2


def test_a_half_is_the_dense_matrix_less_what_is_to_be_subtracted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_matrix, "ROWS", 4)
    x = np.random.default_rng(3).normal(size=(2, 30, 10))
    second, mean = np.swapaxes(x, 1, 2) @ x / 30, x.mean(1)
    half = HalfMatrix.of(second)
    assert np.allclose(half.dense(), second)
    centred = HalfMatrix(2, 10, half.panels, half.parts, 0.5, ((0.5, mean),))
    wanted = 0.5 * (second - mean[:, :, None] * mean[:, None, :])
    assert np.allclose(centred.dense(), wanted)
    assert np.allclose(centred.diagonal(), np.einsum("gkk->gk", wanted))


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32])
def test_codes_of_any_type_give_the_same_sums(kind: type[np.number]) -> None:
    """In uint8 itself, products would wrap around."""
    codes = np.random.default_rng(3).integers(0, 256, (2, 600, 40))
    sums = ExactSums(2, panels_of(40, widest=16))
    sums.add(codes.astype(kind))
    for panel, part in zip(sums.panels, sums.parts, strict=True):
        wanted = np.swapaxes(codes[:, :, panel.start : panel.stop], 1, 2) @ codes[:, :, panel.start : panel.end]
        assert np.array_equal(part, wanted)


@pytest.mark.parametrize(("groups", "size", "widest"), [(1, 2 * ROWS + 5, 4096), (3, 40, 4096), (1, 60, 20)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.7])
def test_columns_of_zeros_are_left_out_of_the_work_and_not_of_the_sums(groups: int, size: int, widest: int, share: float) -> None:
    x = codes(groups, 300, size)
    x[:, :, np.random.default_rng(1).random(size) >= share] = 0
    sums, panels = [ExactSums(groups, panels_of(size, widest=widest)) for _ in range(2)], panels_of(size, widest=widest)
    sums[0].add(x)
    sums[0].add(x, 3)
    for _ in range(4):  # rows at a time, each with zeros of its own
        for start in range(0, 300, 50):
            sums[1].add(x[:, start : start + 50])
    whole = x.astype(np.int64)
    wanted = 4 * np.swapaxes(whole, 1, 2) @ whole
    for one in sums:
        for panel, part in zip(panels, one.parts, strict=True):
            assert np.array_equal(part, wanted[:, panel.start : panel.stop, panel.start : panel.end])
