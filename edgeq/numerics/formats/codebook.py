"""codebook:4: indices into a table of int8 codes, with a float scale a channel.

It is what `--bits 4` asks for: a table for the whole weight, fitted under the moment of its inputs
(edgeq/numerics/codebook_fit.py). Other granularities are settings of codebooks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.codebook import BITS, Grain
from edgeq.numerics.codebook_codes import TableCodes
from edgeq.numerics.codebook_descent import WeightRows
from edgeq.numerics.codebook_fit import fit_codebook
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import ChannelGrid, Format, Inputs, Level, Room, Stored
from edgeq.numerics.rounding.codes import Codes


@dataclass(frozen=True)
class CodebookFormat(Format):
    """Entries of a table of int8 codes, times the scale of their channel."""

    def codes(self, room: Room) -> Codes:
        return Codes(-127, 127, room.pairs, room.limit)

    def allowed(self, stored: Stored) -> Codes:
        return TableCodes(-127, 127, (), None, table=np.asarray(stored.scales[1], np.float64)[None, None])

    def scales(self, rows: F32, importance: F64, kernel: tuple[int, ...], room: Room) -> tuple[AnyArray, ...]:
        return self._fitted(rows, importance, None, kernel, room).scales

    def steps(self, scales: tuple[AnyArray, ...], kernel: tuple[int, ...]) -> F32:  # noqa: ARG002  (the signature of Format)
        return np.asarray(scales[0][..., None], np.float32)

    def fit(self, rows: F32, inputs: Inputs | None, kernel: tuple[int, ...], room: Room | None = None) -> Stored:
        importance = np.ones((rows.shape[0], rows.shape[2])) if inputs is None else inputs.moment.diagonal()
        return self._fitted(rows, importance, None if inputs is None else inputs.moment.dense(), kernel, room or Room())

    def _fitted(self, rows: F32, importance: F64, moment: F64 | None, kernel: tuple[int, ...], room: Room) -> Stored:
        least, dead = np.zeros(rows.shape[:2], np.float32), bool(np.any(~np.any(rows, axis=-1)))
        found = fit_codebook(WeightRows(rows, importance, moment, self.codes(room), least, room.shared, dead), Grain(), self.bits)
        return Stored(self, kernel, found.codes, (room.allowed(found.scale), self._table(found.codes)))

    def codes8(self, stored: Stored) -> ChannelGrid:
        return ChannelGrid(np.asarray(stored.scales[0], np.float32), stored.elements)

    def encoded(self, grid: ChannelGrid, kernel: tuple[int, ...]) -> Stored | None:
        few = np.unique(grid.codes).size <= 2**self.bits
        return Stored(self, kernel, grid.codes, (grid.scale, self._table(grid.codes))) if few else None

    def _table(self, codes: F32) -> AnyArray:
        """The codes that occur, ascending; the largest fills the table."""
        found = np.unique(codes)
        return np.pad(found, (0, 2**self.bits - found.size), mode="edge").astype(np.int8)


def _codebook(bits: int) -> Format:
    levels = (Level("channel", 32, "float32"), Level("tensor", 8 * 2**bits, "table of int8 codes"))
    return CodebookFormat(f"codebook:{bits}", bits, levels, "int8")


FAMILIES = (
    Family("codebook", "indices into a table, one scale a channel (--bits)", _codebook, sizes=(4, *(b for b in BITS if b not in (4, 8)))),
)
