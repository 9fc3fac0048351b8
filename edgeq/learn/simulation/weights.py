"""A learned weight: free numbers, rounded as the target rounds, with learned scales and tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from edgeq.learn.operators.quantized import straight
from edgeq.learn.simulation.clusters import cluster_means
from edgeq.learn.simulation.scales import SCALE_STEP
from edgeq.learn.simulation.tables import SPARSE, Table, row_tables, table_of
from edgeq.numerics.arrays import F32, AnyArray, Indices
from edgeq.numerics.codebook_codes import TableCodes
from edgeq.numerics.formats.format import ChannelGrid, Room
from edgeq.numerics.rounding.codes import Codes
from edgeq.refine.weighted import Weighted
from edgeq.schema.weights import FormatWeight, WeightPlan

#: a free number starts at most this far from its first code, in codes, so that the first step does
#: not undo the rounding that was chosen with calibration data
INSIDE = 0.25


@dataclass(frozen=True, eq=False)
class LearnedWeight:
    """A weight of integer codes whose numbers, and possibly scales and table, are learned."""

    #: the layer that it belongs to
    one: Weighted
    #: its grid and codes in the plan at the start
    first: WeightPlan
    #: the codes that the target allows
    codes: Codes
    #: the parameter: the weight before rounding, in units of `unit` codes
    free: Tensor
    #: the parameter of its scales, see `scale`; None: they are not learned
    steps: Tensor | None
    unit: float = 1.0
    #: the tables that its codes come from; None: codes are not stored as a codebook
    table: Table | None = None
    #: its codes at the start
    began: AnyArray = field(default_factory=lambda: np.zeros(0))
    #: the codes that one element of its number format stands for, in the weight's shape or (): the
    #: scales of blocks are not learned
    factor: F32 = field(default_factory=lambda: np.ones((), np.float32))

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Everything that is learned."""
        found = (self.free, self.steps, self.entries)
        return tuple(one for one in found if one is not None)

    @property
    def entries(self) -> Tensor | None:
        """The parameter of the table's entries; None: codes are not stored as a codebook."""
        return None if self.table is None else self.table.entries

    @property
    def bits(self) -> float:
        """Bits of a code, or of an index into the table."""
        return float(np.log2(self.codes.qmax - self.codes.qmin + 1) if self.table is None else np.log2(self.table.entries.shape[1]))

    def scale(self) -> Tensor:
        """The scales first * exp(steps * SCALE_STEP), float32 [C] or ()."""
        first = torch.from_numpy(np.array(self.first.params.scale))
        return first if self.steps is None else first * torch.exp(self.steps * SCALE_STEP).reshape(first.shape)

    def whole(self) -> Tensor:
        """The codes as integers in float32, in the weight's shape.

        Their gradient reaches the free numbers and the entries of the table.
        """
        wanted = self.free * self.unit
        rows = self.one.layer.weight_rows(wanted.detach().numpy() / self.factor)
        if self.table is None:
            chosen = self.one.layer.from_rows(self.codes.all_nearest(rows)) * self.factor
            ends = [torch.from_numpy(np.asarray(end * self.factor, np.float32)) for end in (self.codes.qmin, self.codes.qmax)]
            return straight(torch.clamp(wanted, *ends), torch.from_numpy(np.array(chosen, np.float32)))
        entries = self.table.whole()
        flat = torch.from_numpy(self.clusters(self.table, entries, rows))
        return entries.reshape(-1)[flat] + (wanted - wanted.detach())

    def refit(self) -> None:
        """One step of k-means: move every entry to the mean of the free numbers stored as it.

        Entries of empty clusters and held entries stay.
        """
        if self.table is None:
            return
        wanted = (self.free.detach() * self.unit).numpy()
        kept, order = self.table.kept().detach().numpy(), self.table.order().numpy()
        rows = self.one.layer.weight_rows(wanted)
        clusters = self.clusters(self.table, self.table.whole().detach(), rows)
        np.put_along_axis(kept, order, cluster_means(clusters, wanted, np.take_along_axis(kept, order, -1)), -1)
        self.table.entries.data.copy_(torch.from_numpy(kept / np.float32(self.table.unit)))

    def clusters(self, table: Table, entries: Tensor, rows: F32) -> Indices:
        """The index of each number's entry, all tables in sequence, in the weight's shape."""
        codes = self._table_codes(entries.detach().numpy(), rows)
        places = np.asarray(self.one.layer.from_rows(codes.places(codes.all_nearest(rows))), np.intp)
        return np.asarray(table.owner * entries.shape[1] + places, np.intp)

    def _table_codes(self, entries: NDArray[np.floating], rows: F32) -> TableCodes:
        tables = entries.astype(np.float64)[None] if len(entries) == 1 else row_tables(entries, rows)
        codes = self.codes
        return TableCodes(codes.qmin, codes.qmax, codes.pairs, codes.limit, codes.power_of_two, codes.kept, tables)

    def learned(self) -> WeightPlan:
        """The plan of the weight with what was learned; `first` itself when nothing changed."""
        codes = self.whole().detach().numpy().astype(self.first.dtype)
        scale = tuple(float(s) for s in np.atleast_1d(self.scale().detach().numpy()))
        if scale == self.first.scale and np.array_equal(codes, self.began):
            return self.first
        return self.first.learned(scale, codes, f"{self.first.rule.removesuffix(TUNED)}{TUNED}")


#: appended to the rule of a grid that was learned
TUNED = ", fine-tuned"


def learned_weight(one: Weighted, weight: AnyArray, stored: AnyArray, grid: WeightPlan, codes: Codes, scales: bool) -> LearnedWeight:
    """The learned weight in its initial state.

    weight: the float weight. stored: its codes in the plan. codes: those that the target allows.
    scales: whether its scales are learned. Tables of vectors are not for it, see vectors.py. Raises
    UnsupportedOp for codes that are no entries of their table.
    """
    began = stored.astype(np.float32)
    steps = Parameter(torch.zeros(len(grid.scale))) if scales else None
    if grid.format != "codebook":
        factor = np.ones((), np.float32)
        if grid.format == "number":
            codes, factor = grid.number_format.codes(Room()), _factor(one, began, grid)
        inside = np.clip(in_steps(weight, grid), began - INSIDE * factor, began + INSIDE * factor)
        return LearnedWeight(one, grid, codes, Parameter(torch.from_numpy(inside)), steps, began=stored, factor=factor)
    table = table_of(one, stored, grid, codes)
    rows = one.layer.weight_rows(began)
    if codes.kept is None and bool((table.held).any()) and float(np.mean(stored == 0)) >= SPARSE:
        codes = replace(codes, kept=rows != 0)
    # start exactly at the codes: entries are closer together in the middle of a table, and a fit in
    # sequence chose each code for the errors of all earlier ones
    free = Parameter(torch.from_numpy(began / np.float32(table.gap)))
    return LearnedWeight(one, grid, codes, free, steps, table.gap, table, stored)


def _factor(one: Weighted, codes: F32, grid: FormatWeight) -> F32:
    """The codes that an element of the weight's number format stands for, in the weight's shape."""
    rows, form = one.layer.weight_rows(codes), grid.number_format
    stored = form.encoded(ChannelGrid(np.ones(rows.shape[:2], np.float32), rows), one.layer.kernel)
    assert stored is not None
    return np.asarray(one.layer.from_rows(np.broadcast_to(form.steps(stored.scales, one.layer.kernel), rows.shape)), np.float32)


def in_steps(weight: AnyArray, grid: WeightPlan) -> F32:
    """A float weight in units of its grid's scales, neither rounded nor clipped."""
    shape = [1] * weight.ndim
    if grid.axis is not None:
        shape[grid.axis] = -1
    return np.asarray(np.asarray(weight, np.float32) / grid.params.scale.reshape(shape), np.float32)
