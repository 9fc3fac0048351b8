"""scales_for: what is tried at a time changes nothing, and the least error wins."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.rounding import scales
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.scales import FACTORS, scales_for

CODES = Codes(-7, 7, (), None)


def problem(groups: int, rows: int, columns: int) -> tuple[F32, F64]:
    chance = np.random.default_rng(3)
    return chance.standard_t(3, (groups, rows, columns)).astype(np.float32), chance.random((groups, columns)) + 0.1


@pytest.mark.parametrize("shape", [(1, 7, 9), (12, 1, 9), (5, 4, 3)])
@pytest.mark.parametrize("at_once", [1, 20, 1 << 16])
def test_groups_and_rows_do_not_see_each_other(shape: tuple[int, int, int], at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, importance = problem(*shape)
    monkeypatch.setattr(scales, "AT_ONCE", at_once)
    found = scales_for(weight, importance, CODES, False)
    for group in range(shape[0]):
        for row in range(shape[1]):
            alone = scales_for(weight[group : group + 1, row : row + 1], importance[group : group + 1], CODES, False)
            assert alone.item() == found[group, row]


def test_the_scale_with_the_least_weighted_error_is_chosen() -> None:
    weight, importance = problem(3, 4, 30)
    found = scales_for(weight, importance, CODES, False)

    def error(scale: F32) -> F64:
        rounded = np.clip(np.rint(weight / scale[..., None]), -7, 7) * scale[..., None]
        return np.asarray((np.square(rounded - weight, dtype=np.float64) * importance[:, None]).sum(-1), np.float64)

    tried = [error(np.abs(weight).max(-1) / np.float32(7) * np.float32(factor)) for factor in FACTORS]
    np.testing.assert_allclose(error(found), np.min(tried, axis=0), rtol=1e-5)
    assert (error(found) < 0.99 * tried[0]).any()
