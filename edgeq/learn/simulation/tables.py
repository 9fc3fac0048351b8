"""Learned tables of codes: their entries, those that stay 0, and the table of each number."""

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
from edgeq.numerics.rounding.codes import Codes
from edgeq.refine.weighted import Weighted
from edgeq.schema.weights import CodebookWeight

#: a change of 1 in an entry's parameter moves it by this share of the mean distance of entries: it
#: is small, since all weights that are stored as the entry move with it
TABLE_STEP = 0.1
#: a weight whose share of zeros is at least this keeps its zeros
SPARSE = 0.1


@dataclass(frozen=True, eq=False)
class Table:
    """A learned codebook: T tables of k entries."""

    #: the parameter, float32 [T, k], in units of `unit` codes
    entries: Tensor
    #: for each number of the weight, the index of its table, in the weight's shape
    owner: Indices
    #: entries that stay 0, bool [T, k]: zeros of the weight are kept, or sums of neighbours limited
    held: Tensor
    #: the smallest and the largest code that an entry may have
    ends: tuple[int, int]
    unit: float
    #: the mean distance of entries at the start, in codes
    gap: float

    def whole(self) -> Tensor:
        """The entries rounded to codes, in ascending order, [T, k]."""
        return rounded(torch.clamp(self.kept(), *self.ends)).gather(-1, self.order())

    def kept(self) -> Tensor:
        """The entries in codes before rounding, [T, k], with 0 where they are held."""
        return torch.where(self.held, torch.zeros_like(self.entries), self.entries * self.unit)

    def order(self) -> Tensor:
        """Indices that sort the rounded entries, [T, k]; equal entries keep their order."""
        return torch.argsort(torch.round(torch.clamp(self.kept().detach(), *self.ends)), dim=-1, stable=True)


def table_of(one: Weighted, stored: AnyArray, book_plan: CodebookWeight, codes: Codes) -> Table:
    """The tables into which the stored codes are indices.

    Raises UnsupportedOp for codes that are no entries of a table of so many bits.
    """
    grain = parse_grain(book_plan.granularity)
    book = encode(stored, grain, book_plan.channel_axis, book_plan.bits)
    if book is None:
        raise no_entries(one, book_plan)
    size = 1 << book_plan.bits
    entries = np.pad(book.tables[..., 0].astype(np.float32), ((0, 0), (0, size - book.tables.shape[1])), mode="edge")
    owner = table_of_each(stored.shape, grain, book_plan.channel_axis)
    needs_zero = (codes.limit is not None and bool(codes.pairs)) or float(np.mean(stored == 0)) >= SPARSE
    held = first_zero(entries) & needs_zero
    # two neighbours that each stay within half of the limit cannot exceed it together
    half = codes.qmax if codes.limit is None or not codes.pairs else codes.limit // 2
    # the codes of the plan are always allowed
    ends = (min(max(codes.qmin, -half), int(entries.min())), max(min(codes.qmax, half), int(entries.max())))
    gap = float(np.ptp(entries, -1).mean() / size) or 1.0
    unit = gap * TABLE_STEP
    return Table(Parameter(torch.from_numpy(entries / np.float32(unit))), owner, torch.from_numpy(held), ends, unit, gap)


def no_entries(one: Weighted, book_plan: CodebookWeight) -> UnsupportedOp:
    """The refusal of codes that do not come from a table."""
    what = f"The codes of {one.key} are no entries of a table of {book_plan.bits} bits."
    return UnsupportedOp(what, f"node {one.node.name}", "Quantize again, without the plan.")


def row_tables(entries: NDArray[np.floating], rows: F32) -> F64:
    """The table of each row: entries [T, k], rows [G, C, K] -> [G, C, k]."""
    groups, outputs = rows.shape[:2]
    run = -(-groups * outputs // len(entries))
    tables: F64 = np.asarray(entries, np.float64)[np.arange(groups * outputs) // run]
    return tables.reshape(groups, outputs, -1)
