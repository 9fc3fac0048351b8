"""A float model with tables of floats in torch: entries and assignments of weights are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import Parameter, ParameterList

from edgeq.errors import UnsupportedOp
from edgeq.graph.read import constant, nodes
from edgeq.graph.stored import stored
from edgeq.learn.simulation.clusters import cluster_means, first_zero, table_of_each
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.simulation.tables import SPARSE, TABLE_STEP
from edgeq.learn.simulation.weights import INSIDE
from edgeq.numerics.arrays import F32, Indices, Mask
from edgeq.numerics.codebook import encode
from edgeq.passes.store.fold_codebooks import Storage
from edgeq.schema.weights import weight_key


@dataclass(frozen=True, eq=False)
class FloatTable:
    """A weight that is stored as indices into tables of floats."""

    #: the weight before the assignment to entries, in units of `unit`
    free: Parameter
    #: float32 [T, k], in units of TABLE_STEP * unit
    entries: Parameter
    #: for each number of the weight, the index of its table
    owner: Indices
    #: entries that stay 0, [T, k]
    held: Tensor
    #: numbers of the weight that may differ from 0
    kept: Mask
    #: about the mean distance between neighbouring entries at the start
    unit: float
    #: bits of an index
    bits: int

    def whole(self) -> Tensor:
        """The weight. Its gradient reaches `free` and, summed per entry, the entries."""
        chosen = self._ascending().reshape(-1)[torch.from_numpy(self._clusters())]
        return (chosen + (self.free - self.free.detach())) * self.unit

    def refit(self) -> None:
        """One step of k-means, as in LearnedWeight.refit; held entries stay 0."""
        order = self._order().numpy()
        means = cluster_means(self._clusters(), self.free.detach().numpy(), self._ascending().detach().numpy())
        entries = np.zeros_like(means)
        np.put_along_axis(entries, order, means, -1)
        self.entries.data.copy_(torch.from_numpy(entries / np.float32(TABLE_STEP)))

    def _order(self) -> Tensor:
        return torch.argsort(torch.where(self.held, torch.zeros_like(self.entries), self.entries).detach(), dim=-1, stable=True)

    def _ascending(self) -> Tensor:
        """The entries in ascending order, in units of `unit`, [T, k]."""
        return torch.where(self.held, torch.zeros_like(self.entries), self.entries).gather(-1, self._order()) * TABLE_STEP

    def _clusters(self) -> Indices:
        """The index of each number's entry: ascending entries, all tables one after the other."""
        entries, free = self._ascending().detach().numpy(), self.free.detach().numpy()
        wanted = np.where(self.kept, free, np.float32(0))
        places = np.zeros(free.shape, np.intp)
        for table, own in enumerate(entries):
            mine = self.owner == table
            places[mine] = np.searchsorted((own[:-1] + own[1:]) / 2, wanted[mine])
        return np.asarray(places + self.owner * entries.shape[1], np.intp)


class FloatStudent:
    """A float model with tables, as a student.

    storage: "node:input index" -> how the weight is stored. weights: name of a weight's value ->
    the weight before palettization. refits: entries follow from `refit`, not from a gradient.
    """

    def __init__(self, model: ir.Model, storage: Mapping[str, Storage], weights: Mapping[str, F32], *, refits: bool) -> None:
        self._executor, self._refits = Executor(model), refits
        self._tables: dict[str, FloatTable] = {}
        self.inner: dict[str, str] = {}
        for node in nodes(model):
            for index, value in enumerate(node.inputs):
                how = storage.get(weight_key(node.name, index))
                found = None if how is None else stored(value)
                weight = None if found is None else found.initializer
                if how is None or weight is None or str(weight.name) not in weights:
                    continue
                self.inner[str(node.outputs[0].name)] = str(node.outputs[0].name)
                self._tables[str(weight.name)] = _table(np.asarray(constant(weight), np.float32), weights[str(weight.name)], how, node)
        parameters = [one for table in self._tables.values() for one in (table.free, table.entries)]
        for table in self._tables.values():
            table.entries.requires_grad_(not refits)
        self.learnable = ParameterList(parameters)

    @property
    def mean_bits(self) -> float:
        """Bits of an index, averaged over all weights."""
        sizes = [table.free.numel() for table in self._tables.values()]
        total = sum(size * table.bits for size, table in zip(sizes, self._tables.values(), strict=True))
        return float(total / max(1, sum(sizes)))

    def forward(self, feeds: Mapping[str, Tensor], want: Sequence[str] = ()) -> dict[str, Tensor]:
        """The graph's outputs and the inner values `want`, by name."""
        return self._executor.forward({**{name: table.whole() for name, table in self._tables.items()}, **feeds}, want)

    def refit(self) -> None:
        """If entries follow from k-means, move every entry to the mean of its cluster."""
        for table in self._tables.values() if self._refits else ():
            table.refit()

    def learned(self) -> dict[str, F32]:
        """Name of each weight's value -> the weight as its tables represent it now."""
        with torch.no_grad():
            return {name: table.whole().numpy() for name, table in self._tables.items()}


def _table(stored: F32, weight: F32, how: Storage, node: ir.Node) -> FloatTable:
    book = encode(stored, how.grain, how.axis, how.bits)
    if how.grain.vector > 1 or book is None:
        raise UnsupportedOp(
            f"The table of vectors of {node.name} cannot be learned.", f"node {node.name}", "Use --granularity tensor, channel or group:N."
        )
    entries = book.tables[..., 0].astype(np.float32)
    unit = float(np.ptp(entries, -1).mean() / entries.shape[1]) or 1.0
    sparse = float(np.mean(stored == 0)) >= SPARSE
    held = first_zero(entries) & sparse
    kept = (stored != 0) if sparse else np.ones(stored.shape, np.bool_)
    inside = np.clip(weight, stored - INSIDE * unit, stored + INSIDE * unit) / unit
    made = FloatTable(
        Parameter(torch.from_numpy(inside)), Parameter(torch.from_numpy(entries / np.float32(unit * TABLE_STEP))),
        table_of_each(stored.shape, how.grain, how.axis), torch.from_numpy(held), kept, unit, how.bits,
    )  # fmt: skip
    other = torch.from_numpy(~np.isclose(made.whole().detach().numpy(), stored, rtol=1e-5, atol=1e-6 * unit))
    made.free.data[other] = torch.from_numpy(stored / unit)[other]
    return made
