"""NVFP4: exact bits, the numbers of a slow reference, and the choice of a block's scale."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.codecs.elements import ELEMENTS
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.formats.table import parse_format

FORM = parse_format("nvfp4")
#: the non-negative numbers of E2M1 and of E4M3, written out from the definition of small floats
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
E4M3 = np.array([m / 8 * 2.0**-6 for m in range(8)] + [(1 + m / 8) * 2.0 ** (e - 7) for e in range(1, 16) for m in range(8)][:-1])


def _rows(channels: int, kernel: tuple[int, ...], seed: int = 0) -> F32:
    chance = np.random.default_rng(seed)
    return chance.standard_t(4, size=(1, channels, int(np.prod(kernel)))).astype(np.float32)


def _block_scales(stored: Stored) -> F32:
    return ELEMENTS["e4m3"].decode(np.asarray(stored.scales[1], np.uint8))


def test_nominal_and_stored_bits() -> None:
    assert FORM.nominal_bits == 4.5
    assert 8 * FORM.fit(_rows(8, (96,)), None, (96,)).nbytes == 4.5 * 8 * 96 + 32


def test_scales_are_of_e4m3_and_the_largest_block_has_its_largest() -> None:
    stored = FORM.fit(_rows(24, (64,)), None, (64,))
    assert np.isin(_block_scales(stored), E4M3).all()
    peak = np.abs(_rows(24, (64,))).max()
    assert float(stored.scales[0]) == pytest.approx(peak / (6 * 448))
    assert _block_scales(stored).max() <= 448


@pytest.mark.parametrize("kernel", [(64,), (37,), (16, 3, 3)])
def test_every_element_is_the_nearest_under_the_better_of_two_scales(kernel: tuple[int, ...]) -> None:
    """Against both scales tried number by number, in float64."""
    rows = _rows(4, kernel)
    stored = FORM.fit(rows, None, kernel)
    real, tensor = cut(stored.real, kernel, 16)[0].reshape(-1, 16), float(stored.scales[0])
    for block, found in zip(cut(rows, kernel, 16)[0].reshape(-1, 16).astype(np.float64), real, strict=True):
        errors = []
        for end in (6, 4):
            scale = tensor * max(E4M3[np.abs(E4M3 - np.abs(block).max() / tensor / end).argmin()], E4M3[1])
            nearest = np.array([E2M1[np.abs(E2M1 * scale - abs(number)).argmin()] * scale * np.sign(number) for number in block])
            errors.append(float(np.square(nearest - block).sum()))
        assert float(np.square(found - block).sum()) <= min(errors) * (1 + 1e-4) + 1e-12


def test_zeros_and_the_smallest_blocks_have_a_scale() -> None:
    rows = _rows(3, (48,))
    rows[0, 0, :16], rows[0, 1, 16:32] = 0.0, 1e-9
    stored = FORM.fit(rows, None, (48,))
    assert (_block_scales(stored) > 0).all()
    assert not stored.real[0, 0, :16].any()


def test_it_is_nearer_than_mxfp4() -> None:
    rows = _rows(32, (256,))
    errors = [float(np.square(parse_format(name).fit(rows, None, (256,)).real - rows).sum()) for name in ("nvfp4", "mxfp4")]
    assert errors[0] < 0.8 * errors[1]
