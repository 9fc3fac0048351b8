"""uint8 codes as int8 codes: the same numbers, 128 lower. The emitter and the interpreter know int8
alone.
"""

from __future__ import annotations

import numpy as np

from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams


def signed(grid: QuantParams) -> QuantParams:
    """The same numbers in int8 codes: q - 128 for uint8."""
    if grid.dtype == "uint8":
        return QuantParams("int8", grid.scale, np.asarray(grid.zero_point - 128, np.int32), grid.granularity, grid.narrow)
    return grid


def signed_codes(codes: AnyArray) -> AnyArray:
    """uint8 codes as int8."""
    return (codes.astype(np.int16) - 128).astype(np.int8) if codes.dtype == np.uint8 else codes
