"""What a plan says about a constant: a tagged union of the forms in which a model stores it.

To add a number format, add a class with its own value of `format`, and with `params`, `integers`
and `plain`. Plans without it stay valid, so the version of the schema stays the same.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from edgeq.numerics.codebook import parse_grain
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.table import parse_format
from edgeq.numerics.grid import PerChannel, QuantParams
from edgeq.schema.plan_parts.on_grid import OnGrid
from edgeq.schema.weight_format import known_format


def weight_key(node: str | None, index: int) -> str:
    """The name in a plan of what a node reads at an input: "node:index"."""
    return f"{node}:{index}"


def split_weight_key(key: str) -> tuple[str, int]:
    """The node and the input index of a key; the index is -1 if the key has none."""
    node, _, index = key.rpartition(":")
    return node, int(index) if index.isdecimal() else -1


class IntegerWeight(OnGrid):
    """A constant stored as plain integers."""

    format: Literal["integer"] = "integer"

    @property
    def plain(self) -> IntegerWeight:
        """The same numbers stored as plain integers: itself."""
        return self

    def in_format(self, name: str, channel_axis: int) -> FormatWeight:
        """The same integers, stored in the number format of this name."""
        return FormatWeight.model_validate(dict(self) | {"format": "number", "name": name, "channel_axis": channel_axis})

    def as_codebook(self, granularity: str, channel_axis: int, bits: int) -> CodebookWeight:
        """The same integers, stored as indices into tables."""
        fields = dict(self) | {"format": "codebook", "granularity": granularity, "channel_axis": channel_axis, "bits": bits}
        return CodebookWeight.model_validate(fields)


class CodebookWeight(OnGrid):
    """A constant whose integers are stored as indices into tables."""

    format: Literal["codebook"] = "codebook"
    #: what shares a table: tensor, channel, group:N or vector:N
    granularity: str
    #: the axis of the output channels
    channel_axis: int = Field(ge=0)
    #: largest number of bits of an index
    bits: int = Field(ge=1, le=8)

    @field_validator("granularity")
    @classmethod
    def _known(cls, word: str) -> str:
        return str(parse_grain(word))

    @property
    def plain(self) -> IntegerWeight:
        """The same numbers stored as plain integers."""
        return _plain(self)


class FormatWeight(OnGrid):
    """A constant whose integers are stored in a number format of few bits."""

    format: Literal["number"] = "number"
    #: of the number format, as users write it
    name: str
    #: the axis of the output channels
    channel_axis: int = Field(ge=0)

    @field_validator("name")
    @classmethod
    def _known(cls, word: str) -> str:
        return known_format(word)

    @property
    def number_format(self) -> Format:
        """The number format."""
        return parse_format(self.name)

    @property
    def plain(self) -> IntegerWeight:
        """The same numbers stored as plain integers."""
        return _plain(self)


def _plain(weight: OnGrid) -> IntegerWeight:
    own = {name: value for name, value in dict(weight).items() if name in IntegerWeight.model_fields}
    return IntegerWeight.model_validate(own | {"format": "integer"})


WeightPlan = Annotated[IntegerWeight | CodebookWeight | FormatWeight, Field(discriminator="format")]


def integer_weight(params: QuantParams, rule: str, reason: str) -> IntegerWeight:
    """A plan of a constant on this grid, with the rule that chose it; the codes are the nearest."""
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
