"""A grid that parts of very different range share: the parts, and what it keeps of each."""

from __future__ import annotations

from typing import Literal

from edgeq.io.strict_toml import Strict

#: why they share it all the same. no_float: the target has no float kernels. layers: a layer with
#: weights reads the joined value in integers
Shares = Literal["no_float", "layers"]


class SharedPart(Strict):
    """One of the values that a node joins."""

    #: name of the value
    value: str
    #: its range over the calibration data
    low: float
    high: float
    #: SQNR of the value after rounding to the shared grid, in dB; None: exact
    sqnr_db: float | None
    #: the same on a grid of its own
    own_db: float | None


class SharedGrid(Strict):
    """What a node joins on one grid, although it serves not all of the parts."""

    shares: Shares
    #: all parts, in the order in which they are joined
    parts: tuple[SharedPart, ...]
    #: names of the graph outputs that are the joined value, or movements of it
    outputs: tuple[str, ...] = ()
