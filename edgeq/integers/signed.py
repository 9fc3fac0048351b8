"""uint8 codes as int8 codes, 128 lower: the emitter and the interpreter work on int8 alone."""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams


def signed(grid: QuantParams) -> QuantParams:
    """The grid in int8 codes: for uint8 the zero point drops by 128; other grids are unchanged."""
    if grid.dtype == "uint8":
        return QuantParams("int8", grid.scale, np.asarray(grid.zero_point - 128, np.int32), grid.granularity, grid.narrow)
    return grid


def signed_codes(codes: AnyArray) -> AnyArray:
    """uint8 codes as int8 codes, 128 lower; other arrays are unchanged."""
    return (codes.astype(np.int16) - 128).astype(np.int8) if codes.dtype == np.uint8 else codes
