"""The part of a recipe that says in which number formats weights are stored."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from edgeq.errors import BadRecipe
from edgeq.io.strict_toml import Strict
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.table import parse_format

#: why a codebook and a format are refused together
BOTH = "a codebook and a weight format both say how weights are stored: give --bits or --format, not both"


def known_format(word: str) -> str:
    """The word, if it names a number format; raises ValueError otherwise, as validators do."""
    try:
        return parse_format(word).name
    except BadRecipe as error:
        raise ValueError(f"{error.what} {error.fix}") from None


class WeightFormats(Strict):
    """Store weights in number formats of few bits.

    Off unless one of name, bits_avg, size_budget and layers is given.
    """

    name: str | None = Field(None, description="number format of weights, as `edgeq formats` lists them; layers too small for it keep int8")
    bits_avg: float | None = Field(
        None, gt=0, le=8, description="stored bits per weight on average, scales included; each layer gets the format that it needs"
    )
    size_budget: float | None = Field(
        None, gt=0, le=1, description="the file's size as a share of the float file's; each layer gets the format that it needs"
    )
    among: tuple[str, ...] = Field(("int4", "two_level:16", "int8"), description="the formats that bits_avg and size_budget choose from")
    layers: tuple[str, ...] = Field((), description="formats of single layers, PATTERN=NAME: node name or glob, /regex/, or operator type")

    @field_validator("name")
    @classmethod
    def _known(cls, word: str | None) -> str | None:
        return None if word is None else known_format(word)

    @field_validator("among")
    @classmethod
    def _known_among(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        floats = [word for word in words if parse_format(known_format(word)).compute == "float" or word.startswith("codebook")]
        if floats or not words:
            raise ValueError(f"{floats[0] if floats else 'nothing'} is none to choose: a budget chooses among formats that run in integers")
        return words

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(one is not None for one in (self.name, self.bits_avg, self.size_budget)) > 1:
            raise ValueError("give one of name, bits_avg and size_budget")
        return self

    @field_validator("layers")
    @classmethod
    def _known_layers(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            pattern, _, name = word.rpartition("=")
            if not pattern:
                raise ValueError(f"{word!r} is not PATTERN=NAME, as in Conv=two_level:16")
            known_format(name)
        return words

    @property
    def wanted(self) -> bool:
        """Whether any format of fewer bits is named: int8 is what weights have anyway."""
        return self.name not in (None, "int8") or self.allocated or bool(self.layers)

    @property
    def allocated(self) -> bool:
        """Whether the format of each layer is derived from a total size."""
        return self.bits_avg is not None or self.size_budget is not None

    @property
    def format(self) -> Format | None:
        """The format of all weights that no pattern names; None: as they are."""
        return None if self.name is None else parse_format(self.name)

    @property
    def layer_formats(self) -> dict[str, Format]:
        """Formats of single layers, by pattern."""
        return {word.rpartition("=")[0]: parse_format(word.rpartition("=")[2]) for word in self.layers}


def with_codebook_format(raw: object) -> object:
    """The fields of a recipe, in which a format such as codebook:4 became codebook.bits = 4.

    Raises ValueError where codebooks are asked for as well.
    """
    if not isinstance(raw, dict) or "weight_format" not in raw:
        return raw
    formats, codebook = (dict(raw.get(name) or {}) for name in ("weight_format", "codebook"))
    name, _, bits = str(formats.get("name") or "").partition(":")
    if name != "codebook" or not bits.isdecimal():
        return raw
    known_format(f"{name}:{bits}")
    if any(codebook.get(size) is not None for size in ("bits", "bits_avg", "size_budget")):
        raise ValueError(BOTH)
    return raw | {"weight_format": formats | {"name": None}, "codebook": codebook | {"bits": int(bits)}}


def check_small_weights(codebook: bool, formats: WeightFormats, effort: str, bits: int) -> None:
    """Refuse a recipe that stores weights in few bits in two ways, or searches with them.

    codebook: whether codebooks are asked for. effort, bits: the recipe's effort and weight_bits.
    Raises ValueError.
    """
    if not codebook and not formats.wanted:
        return
    key, kind = ("codebook", "codebooks") if codebook else ("weight_format", "number formats")
    if effort == "best":
        raise ValueError(f"effort best does not search with {kind}: use effort default, or `edgeq palettize --min-sqnr`")
    if bits < 8:
        raise ValueError(f"weight_bits and {key} both say how many bits a weight has: give one of them")
    if (formats.name is not None or formats.allocated) and codebook:
        raise ValueError(BOTH)
