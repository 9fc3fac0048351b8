"""The part of a recipe that says how to store weights as codebooks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from edgeq.io.strict_toml import Strict
from edgeq.numerics.codebook import BITS, Grain, parse_grain
from edgeq.numerics.pruning import Prune, parse_prune

#: who finds the first tables
Solver = Literal["exact", "fast-pytorch-kmeans"]


class CodebookWish(Strict):
    """Store weights as indices into a small table.

    Off unless one of bits, bits_avg, size_budget and layers is given.
    """

    bits: Literal[1, 2, 3, 4, 5, 6, 8] | None = Field(None, description="bits of every weight's index")
    bits_avg: float | None = Field(
        None, gt=0, le=8, description="bits per weight on average, tables included; each layer gets what it needs"
    )
    size_budget: float | None = Field(
        None, gt=0, le=1, description="the file's size as a share of the float file's; each layer gets what it needs"
    )
    granularity: str = Field(
        "tensor", description="what shares a table: tensor, channel, group:N (channels) or vector:N (weights per entry)"
    )
    layers: tuple[str, ...] = Field((), description="bits of single layers, PATTERN=BITS: node name or glob, /regex/, or an operator type")
    prune: str | None = Field(None, description="set weights to 0 first: a share such as 0.5, or N:M to keep N of every M neighbours")

    solver: Solver = Field(
        "exact", description="who finds the first tables: exact, the optimum under the weights' importance; or the package of extra [learn]"
    )

    @field_validator("granularity")
    @classmethod
    def _known_grain(cls, word: str) -> str:
        return str(parse_grain(word))

    @field_validator("prune")
    @classmethod
    def _known_prune(cls, word: str | None) -> str | None:
        if word is not None:
            parse_prune(word)
        return word

    @field_validator("layers")
    @classmethod
    def _known_bits(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not word.rpartition("=")[0] or word.rpartition("=")[2] not in map(str, BITS):
                raise ValueError(f"{word!r} is not PATTERN=BITS with bits 1, 2, 3, 4, 5, 6 or 8")
        return words

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if sum(size is not None for size in (self.bits, self.bits_avg, self.size_budget)) > 1:
            raise ValueError("give one of bits, bits_avg and size_budget")
        return self

    @property
    def wanted(self) -> bool:
        """Whether any weights are to be stored as codebooks."""
        return self.bits is not None or self.allocated or bool(self.layers)

    @property
    def allocated(self) -> bool:
        """Whether the bits of each layer are derived from a total size."""
        return self.bits_avg is not None or self.size_budget is not None

    def with_bits(self, bits: int) -> CodebookWish:
        """A copy with this number of bits for every index."""
        return self._changed({"bits": bits})

    def with_average(self, bits: float) -> CodebookWish:
        """A copy with this number of bits per weight on average, in place of another size."""
        return self._changed({"bits": None, "bits_avg": bits, "size_budget": None})

    @property
    def layer_bits(self) -> dict[str, int]:
        """Bits of single layers, by pattern."""
        return {word.rpartition("=")[0]: int(word.rpartition("=")[2]) for word in self.layers}

    @property
    def pruning(self) -> Prune | None:
        """Which weights to set to 0 before the codebooks are fitted; None for no pruning."""
        return None if self.prune is None else parse_prune(self.prune)

    @property
    def grain(self) -> Grain:
        """The parsed granularity: what shares a table."""
        return parse_grain(self.granularity)
