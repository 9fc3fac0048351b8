"""What all forms of a constant in a plan have in common: integers of one grid."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import ConfigDict, PrivateAttr, ValidationInfo, field_serializer, field_validator, model_validator

from edgeq.io.strict_toml import Strict
from edgeq.numerics.arrays import F32, AnyArray, Ints
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams, quantize
from edgeq.schema.grids import LARGEST, TINIEST
from edgeq.schema.plan_parts.codes import Room, as_text, from_text, room_for, shaped

#: codes of a weight whose text is kept; that of a larger one is made each time, since it would take
#: as much memory again
KEPT_CODES = 1 << 25


class OnGrid(Strict):
    """A constant as integers of one grid: r = scale * (q - zero_point)."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    format: str
    #: type of the codes; 16 bits: an operand beside activations of 16 bits
    dtype: Literal["uint8", "int8", "uint16", "int16"]
    #: one per slice along `axis`, or a single one
    scale: tuple[float, ...]
    #: the code of 0.0, one per scale
    zero_point: tuple[int, ...]
    #: the axis of per-channel scales; None: one scale per tensor
    axis: int | None = None
    #: whether the lowest code is unused: -127..127
    narrow: bool = False
    #: the rule that chose scale and codes
    rule: str
    #: why, for people
    reason: str
    #: [N], row-major, of `dtype`; None: the codes that nearest rounding gives
    codes: Ints | None = None
    #: the codes as text, once they were written: the hash of a plan and its file both hold it
    _written: str | None = PrivateAttr(None)

    @field_validator("codes", mode="plain")
    @classmethod
    def _array(cls, value: object, info: ValidationInfo) -> Ints | None:
        """Codes from text, as in a file, or from an array of any shape."""
        dtype = info.data.get("dtype")
        if value is None or dtype is None:
            return None
        if isinstance(value, str):
            return from_text(value, dtype, info.context if isinstance(info.context, Room) else room_for(value))
        if not isinstance(value, np.ndarray) or value.dtype != np.dtype(dtype):
            raise ValueError(f"codes must be text or an array of {dtype}")
        codes: Ints = np.ascontiguousarray(value).reshape(-1).view()
        codes.flags.writeable = False
        return codes

    @field_serializer("codes")
    def _text(self, codes: Ints | None) -> str | None:
        if codes is None or self._written is not None:
            return self._written
        text = as_text(codes)
        self._written = text if codes.size < KEPT_CODES else None
        return text

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if len(self.scale) != len(self.zero_point) or not self.scale:
            raise ValueError("scale and zero_point need the same number of entries, at least one")
        if self.axis is None and len(self.scale) != 1:
            raise ValueError("a grid without an axis has one scale")
        low, high = LIMITS[self.dtype]
        if not all(TINIEST <= s <= LARGEST for s in self.scale) or any(not low <= z <= high for z in self.zero_point):
            raise ValueError("scales must be positive float32 numbers and zero points within the type")
        return self

    def __eq__(self, other: object) -> bool:
        """Compare codes by content, which == does not do for arrays."""
        if not isinstance(other, OnGrid) or type(self) is not type(other):
            return False
        mine, theirs = dict(self), dict(other)
        codes, others = mine.pop("codes"), theirs.pop("codes")
        return mine == theirs and (codes is None) == (others is None) and (codes is None or np.array_equal(codes, others))

    __hash__ = None  # type: ignore[assignment]  # holds an array

    @property
    def params(self) -> QuantParams:
        """The grid as QuantParams, for arithmetic."""
        shape = () if self.axis is None else (len(self.scale),)
        scale = np.array(self.scale, np.float32).reshape(shape)
        zero = np.array(self.zero_point, np.int32).reshape(shape)
        return QuantParams(self.dtype, scale, zero, PerTensor() if self.axis is None else PerChannel(self.axis), self.narrow)

    def integers(self, weight: F32, where: str) -> AnyArray:
        """The codes in the weight's shape: the chosen ones, otherwise the nearest.

        where: the weight's key, for messages. Raises BadPlan if the number of codes does not match.
        """
        return quantize(weight, self.params) if self.codes is None else shaped(self.codes, weight.shape, where)

    def with_codes(self, codes: Ints) -> Self:
        """A copy with these codes, of any shape."""
        return self._changed({"codes": codes})

    def learned(self, scale: tuple[float, ...], codes: Ints, rule: str) -> Self:
        """A copy with the scales and codes that `rule` found."""
        return self._changed({"scale": scale, "codes": codes, "rule": rule})
