"""What a plan says of a constant: a tagged union of the forms in which it can lie in the model.

A number format adds a member: a class with a word of its own for `format`, `params`, `integers` and
`plain`. Plans without it are read as before, so the version of the schema stays.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, field_serializer, field_validator, model_validator

from edgeq.io.strict_toml import Strict
from edgeq.numerics.arrays import F32, AnyArray, Ints
from edgeq.numerics.codebook import parse_grain
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams, quantize
from edgeq.schema.codes import Room, as_text, from_text, room_for, shaped
from edgeq.schema.grids import LARGEST, TINIEST


def weight_key(node: str | None, index: int) -> str:
    """How a plan names what a node reads at an input: "node:index"."""
    return f"{node}:{index}"


def split_weight_key(key: str) -> tuple[str, int]:
    """The node and the input index of a key; -1 where there is no index."""
    node, _, index = key.rpartition(":")
    return node, int(index) if index.isdecimal() else -1


class _OnGrid(Strict):
    """A constant as integers of one grid: r = scale * (q - zero_point)."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    format: str
    #: of the codes
    dtype: Literal["uint8", "int8"]
    #: positive float32 numbers: one for each slice along `axis`, or a single one
    scale: tuple[float, ...]
    #: as many codes, those of 0.0
    zero_point: tuple[int, ...]
    #: per channel along it; None: one scale for all
    axis: int | None = None
    #: whether the lowest code is left out: -127..127
    narrow: bool = False
    #: the rule that chose scale and codes
    rule: str
    #: why, in words for people
    reason: str
    #: [N], row-major, of `dtype`; None: those that nearest rounding gives
    codes: Ints | None = None

    @field_validator("codes", mode="plain")
    @classmethod
    def _array(cls, value: object, info: ValidationInfo) -> Ints | None:
        """From text, as a file has it; from an array of any shape."""
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
        return None if codes is None else as_text(codes)

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
        """Arrays are not compared by ==."""
        if not isinstance(other, _OnGrid) or type(self) is not type(other):
            return False
        mine, theirs = dict(self), dict(other)
        codes, others = mine.pop("codes"), theirs.pop("codes")
        return mine == theirs and (codes is None) == (others is None) and (codes is None or np.array_equal(codes, others))

    __hash__ = None  # type: ignore[assignment]  # holds an array

    @property
    def params(self) -> QuantParams:
        """The grid as arithmetic wants it."""
        shape = () if self.axis is None else (len(self.scale),)
        scale = np.array(self.scale, np.float32).reshape(shape)
        zero = np.array(self.zero_point, np.int32).reshape(shape)
        return QuantParams(self.dtype, scale, zero, PerTensor() if self.axis is None else PerChannel(self.axis), self.narrow)

    def integers(self, weight: F32, where: str) -> AnyArray:
        """The codes in the weight's shape: those that were chosen, else the nearest. where: the
        key, for messages. Raises BadPlan where their number is another.
        """
        return quantize(weight, self.params) if self.codes is None else shaped(self.codes, weight.shape, where)

    def with_codes(self, codes: Ints) -> Self:
        """With these codes, of any shape."""
        return self._changed({"codes": codes})

    def learned(self, scale: tuple[float, ...], codes: Ints, rule: str) -> Self:
        """With other scales and codes, as `rule` gave them."""
        return self._changed({"scale": scale, "codes": codes, "rule": rule})


class IntegerWeight(_OnGrid):
    """A constant whose integers lie in the file as they are."""

    format: Literal["integer"] = "integer"

    @property
    def plain(self) -> IntegerWeight:
        """The same numbers, stored as they are: itself."""
        return self

    def as_codebook(self, granularity: str, channel_axis: int, bits: int) -> CodebookWeight:
        """The same integers, stored as indices into tables."""
        fields = dict(self) | {"format": "codebook", "granularity": granularity, "channel_axis": channel_axis, "bits": bits}
        return CodebookWeight.model_validate(fields)


class CodebookWeight(_OnGrid):
    """A constant whose integers lie in the file as indices into tables."""

    format: Literal["codebook"] = "codebook"
    #: what shares a table: tensor, channel, group:N or vector:N
    granularity: str
    #: of its output channels
    channel_axis: int = Field(ge=0)
    #: of an index at most
    bits: int = Field(ge=1, le=8)

    @field_validator("granularity")
    @classmethod
    def _known(cls, word: str) -> str:
        return str(parse_grain(word))

    @property
    def plain(self) -> IntegerWeight:
        """The same numbers, stored as they are."""
        own = {name: value for name, value in dict(self).items() if name in IntegerWeight.model_fields}
        return IntegerWeight.model_validate(own | {"format": "integer"})


WeightPlan = Annotated[IntegerWeight | CodebookWeight, Field(discriminator="format")]


def integer_weight(params: QuantParams, rule: str, reason: str) -> IntegerWeight:
    """A grid in the form that a plan holds of a constant, with the rule that chose it; codes by
    nearest rounding.
    """
    axis = params.granularity.axis if isinstance(params.granularity, PerChannel) else None
    return IntegerWeight(
        dtype=params.dtype,
        scale=tuple(float(s) for s in np.atleast_1d(params.scale)),
        zero_point=tuple(int(z) for z in np.atleast_1d(params.zero_point)),
        axis=axis,
        narrow=params.narrow,
        rule=rule,
        reason=reason,
    )
