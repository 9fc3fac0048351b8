"""A learned weight that is stored as indices into a table of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from edgeq.learn.operators.quantized import rounded
from edgeq.learn.simulation.tables import SPARSE, no_entries
from edgeq.learn.simulation.weights import LearnedWeight
from edgeq.numerics.arrays import F32, AnyArray, Indices, Mask
from edgeq.numerics.codebook import encode, parse_grain
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.vectors.kmeans import nearest_vectors
from edgeq.refine.weighted import Weighted
from edgeq.schema.weights import CodebookWeight

#: a change of 1 in an entry's parameter moves it by this share of the distance of entries: more
#: than TABLE_STEP of numbers, since far fewer weights are stored as one of many vectors
VECTOR_STEP = 0.5


@dataclass(frozen=True, eq=False)
class VectorTable:
    """A learned table of k entries of d numbers each."""

    #: the parameter, float32 [k, d], in units of `unit` codes
    entries: Tensor
    #: the entry that stays 0, for vectors whose weights were all pruned; None: there are none
    zero: int | None
    #: vectors that have to take it, bool [n]
    pinned: Mask
    #: the smallest and the largest code that an entry may have
    ends: tuple[int, int]
    unit: float
    #: bits of an index
    bits: int

    def whole(self) -> Tensor:
        """The entries rounded to codes, [k, d]."""
        return rounded(torch.clamp(self.kept(), *self.ends))

    def kept(self) -> Tensor:
        """The entries in codes before rounding, [k, d]."""
        if self.zero is None:
            return self.entries * self.unit
        held = torch.arange(len(self.entries))[:, None] == self.zero
        return torch.where(held, torch.zeros_like(self.entries), self.entries * self.unit)


@dataclass(frozen=True, eq=False)
class LearnedVectors(LearnedWeight):
    """A weight whose vectors and table are learned.

    Each vector of free numbers is stored as the nearest entry; its gradient reaches both.
    """

    #: the table; None never
    vectors: VectorTable | None = None

    @property
    def entries(self) -> Tensor | None:
        return None if self.vectors is None else self.vectors.entries

    @property
    def bits(self) -> float:
        """Bits of an index: as many entries lie as close as the codes of so many bits, and training
        takes its rate from that.
        """
        assert self.vectors is not None
        return float(self.vectors.bits)

    def whole(self) -> Tensor:
        """The codes, see LearnedWeight.whole."""
        assert self.vectors is not None
        wanted, entries = self.free * self.unit, self.vectors.whole()
        size, layer = entries.shape[1], self.one.layer
        rows = layer.weight_rows(wanted.detach().numpy())
        taken = self._taken(rows, entries.detach().numpy())
        flat = np.asarray(layer.from_rows((taken[:, None] * size + np.arange(size)).reshape(rows.shape)), np.intp)
        return entries.reshape(-1)[torch.from_numpy(flat)] + (wanted - wanted.detach())

    def refit(self) -> None:
        """One step of k-means, see LearnedWeight.refit."""
        table = self.vectors
        assert table is not None
        rows = self.one.layer.weight_rows((self.free.detach() * self.unit).numpy())
        size = table.entries.shape[1]
        taken, points = self._taken(rows, table.whole().detach().numpy()), rows.reshape(-1, size)
        count = np.bincount(taken, minlength=len(table.entries))[:, None]
        total = np.stack([np.bincount(taken, axis, len(table.entries)) for axis in points.T], axis=1)
        means = np.where(count > 0, total / np.maximum(count, 1), table.kept().detach().numpy())
        table.entries.data.copy_(torch.from_numpy((means / table.unit).astype(np.float32)))

    def _taken(self, rows: F32, entries: F32) -> Indices:
        """The entry of each vector of rows [G, C, K]: [n]."""
        assert self.vectors is not None
        found = nearest_vectors(rows.reshape(-1, entries.shape[1]).astype(np.float64), entries.astype(np.float64))
        return found if self.vectors.zero is None else np.where(self.vectors.pinned, self.vectors.zero, found)


def learned_vectors(one: Weighted, stored: AnyArray, grid: CodebookWeight, codes: Codes, scales: bool) -> LearnedVectors:
    """The learned weight in its initial state, at the codes of the plan.

    stored: these codes. codes: those that the target allows. scales: whether its scales are
    learned.
    Raises UnsupportedOp for codes that are no vectors of a table.
    """
    book = encode(stored, parse_grain(grid.granularity), grid.channel_axis, grid.bits)
    if book is None:
        raise no_entries(one, grid)
    entries, size = book.tables[0].astype(np.float32), book.grain.vector
    half = codes.qmax if codes.limit is None or not codes.pairs else codes.limit // 2
    ends = (min(max(codes.qmin, -half), int(entries.min())), max(min(codes.qmax, half), int(entries.max())))
    zeros = np.flatnonzero(~entries.any(1))
    pinned = ~(one.layer.weight_rows(stored).reshape(-1, size) != 0).any(1)
    zero = int(zeros[0]) if len(zeros) and float(pinned.mean()) >= SPARSE else None
    gap, steps = _gap(entries), Parameter(torch.zeros(len(grid.scale))) if scales else None
    spare = np.repeat(entries[-1:], (1 << grid.bits) - len(entries), axis=0)
    whole = np.concatenate([entries, spare])  # equal entries part where training moves them
    table = VectorTable(
        Parameter(torch.from_numpy(whole / np.float32(gap * VECTOR_STEP))), zero, pinned, ends, gap * VECTOR_STEP, grid.bits
    )
    free = Parameter(torch.from_numpy(stored.astype(np.float32) / np.float32(gap)))
    return LearnedVectors(one, grid, codes, free, steps, gap, began=stored, vectors=table)


def _gap(entries: F32) -> float:
    """How far an entry is from its nearest neighbour along each axis, on average: at least 1."""
    distance = np.square(entries[:, None] - entries[None]).sum(-1) + np.where(np.eye(len(entries), dtype=bool), np.inf, 0)
    near = np.sqrt(distance.min(1)[np.isfinite(distance.min(1))])
    return max(1.0, float(near.mean() / np.sqrt(entries.shape[1]))) if len(near) else 1.0
