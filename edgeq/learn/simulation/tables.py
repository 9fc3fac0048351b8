"""A table of codes that is learned: its entries in units of codes, those that stay 0, and which of
several tables a number of the weight has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from edgeq.errors import UnsupportedOp
from edgeq.learn.operators.quantized import rounded
from edgeq.learn.simulation.clusters import first_zero, table_of_each
from edgeq.numerics.arrays import F32, F64, AnyArray, Indices
from edgeq.numerics.codebook import encode, parse_grain
from edgeq.numerics.rounding import Codes
from edgeq.refine.weighted import Weighted
from edgeq.schema.weights import CodebookWeight

#: a step of 1 of a table's entry is this share of the distance of its entries: all weights stored
#: as it move with it, the same way
TABLE_STEP = 0.1
#: a weight with at least this share of zeros keeps them
SPARSE = 0.1


@dataclass(frozen=True, eq=False)
class Table:
    """A codebook that is learned. entries: float32 [T, k] in units of `unit` codes, a parameter;
    owner: of each number, its table.

    held: entries that must stay 0, because zeros of the weight are kept or neighbours are limited.
    gap: mean distance of entries, codes.
    """

    entries: Tensor
    owner: Indices
    held: Tensor
    ends: tuple[int, int]
    unit: float
    gap: float

    def whole(self) -> Tensor:
        """The entries as codes, ascending, [T, k]."""
        return rounded(torch.clamp(self.kept(), *self.ends)).gather(-1, self.order())

    def kept(self) -> Tensor:
        """The entries in codes, as they are learned, with 0 where that is held."""
        return torch.where(self.held, torch.zeros_like(self.entries), self.entries * self.unit)

    def order(self) -> Tensor:
        """Indices that put the whole entries in ascending order; equal ones stay in theirs."""
        return torch.argsort(torch.round(torch.clamp(self.kept().detach(), *self.ends)), dim=-1, stable=True)


def table_of(one: Weighted, stored: AnyArray, book_plan: CodebookWeight, codes: Codes) -> Table:
    """What the codes that are stored now are indices into. Raises UnsupportedOp for tables of
    vectors.
    """
    grain = parse_grain(book_plan.granularity)
    book = encode(stored, grain, book_plan.channel_axis, book_plan.bits)
    if grain.vector > 1 or book is None:
        what = f"The table of vectors of {one.key} cannot be learned."
        raise UnsupportedOp(what, f"node {one.node.name}", "Palettize with --granularity tensor, channel or group:N.")
    size = 1 << book_plan.bits
    entries = np.pad(book.tables[..., 0].astype(np.float32), ((0, 0), (0, size - book.tables.shape[1])), mode="edge")
    owner = table_of_each(stored.shape, grain, book_plan.channel_axis)
    needs_zero = (codes.limit is not None and bool(codes.pairs)) or float(np.mean(stored == 0)) >= SPARSE
    held = first_zero(entries) & needs_zero
    # within half of a limit no two neighbours are too large together
    half = codes.qmax if codes.limit is None or not codes.pairs else codes.limit // 2
    # what the plan has is allowed, whatever it is
    ends = (min(max(codes.qmin, -half), int(entries.min())), max(min(codes.qmax, half), int(entries.max())))
    gap = float(np.ptp(entries, -1).mean() / size) or 1.0
    unit = gap * TABLE_STEP
    return Table(Parameter(torch.from_numpy(entries / np.float32(unit))), owner, torch.from_numpy(held), ends, unit, gap)


def row_tables(entries: NDArray[np.floating], rows: F32) -> F64:
    """Tables [T, k] for the rows [G, C, K]: [G, C, k]."""
    groups, outputs = rows.shape[:2]
    run = -(-groups * outputs // len(entries))
    tables: F64 = np.asarray(entries, np.float64)[np.arange(groups * outputs) // run]
    return tables.reshape(groups, outputs, -1)
