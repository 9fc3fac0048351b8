"""The grid that a plan gives a value: one scale per tensor, chosen by a rule."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from edgeq.io.strict_toml import Strict
from edgeq.numerics.grid import LIMITS, QuantParams

#: limits of a scale: the positive numbers of float32, subnormal ones included
TINIEST, LARGEST = 2.0**-149, float(np.finfo(np.float32).max)

#: which readers see the quantized form of a value: all of them, or only the integer ones
Readers = Literal["all", "integer"]


class GridPlan(Strict):
    """The grid of one value: r = scale * (q - zero_point)."""

    #: type of the codes
    dtype: Literal["uint8", "int8", "uint16", "int16"]
    #: a positive float32 number
    scale: float = Field(ge=TINIEST, le=LARGEST)
    #: the code of 0.0
    zero_point: int
    #: the rule that chose the grid
    rule: str
    #: why it was chosen, for people
    reason: str
    #: which readers see the quantized form
    readers: Readers = "all"
    #: the representative of the values that share this grid; None: no other value shares it
    group: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        low, high = LIMITS[self.dtype]
        if not low <= self.zero_point <= high:
            raise ValueError(f"the zero point must be a code of {self.dtype}")
        return self

    @property
    def bits(self) -> Literal[8, 16]:
        """How many bits a code has."""
        return 16 if self.dtype in ("uint16", "int16") else 8

    @property
    def params(self) -> QuantParams:
        """The grid as QuantParams, for arithmetic."""
        return QuantParams(self.dtype, np.asarray(self.scale, np.float32), np.asarray(self.zero_point, np.int32))

    def with_scale(self, scale: float, *, rule: str | None = None) -> GridPlan:
        """A copy with another scale. rule: what chose the scale (None: unchanged)."""
        return self._changed({"scale": scale, "rule": self.rule if rule is None else rule})

    def with_reason(self, reason: str) -> GridPlan:
        """A copy with another reason."""
        return self._changed({"reason": reason})

    def with_readers(self, readers: Readers, group: str | None) -> GridPlan:
        """A copy with other readers and another group."""
        return self._changed({"readers": readers, "group": group})


def grid_plan(params: QuantParams, rule: str, reason: str, *, readers: Readers = "all", group: str | None = None) -> GridPlan:
    """A per-tensor grid as a plan holds it, with the rule that chose it."""
    scale, zero = float(params.scale), int(params.zero_point)
    return GridPlan.model_validate(
        {"dtype": params.dtype, "scale": scale, "zero_point": zero, "rule": rule, "reason": reason, "readers": readers, "group": group}
    )
