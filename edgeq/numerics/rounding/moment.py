"""Second moments of the inputs of layers that share a weight, as exact sums of whole numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F64, AnyArray
from edgeq.numerics.rounding.exact_sums import ExactSums
from edgeq.numerics.rounding.half_matrix import HalfMatrix


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of the input of one layer, as rows x = code - zero_point."""

    #: sum of x: int64 [G, K]
    sum: AnyArray
    #: number of rows
    rows: int
    #: how many times its products count in the sums that it shares
    times: int = 1

    @property
    def mean(self) -> F64:
        """E[x] [G, K], in units of the grid's scale."""
        return np.asarray(self.sum / max(self.rows, 1), np.float64)


@dataclass(frozen=True, eq=False)
class Moment:
    """Second moments of the inputs of layers that share a weight."""

    #: sum of times * x x^T over the rows of all layers; None: the inputs are taken as independent,
    #: with mean 0 and variance 1
    products: ExactSums | None
    #: by name of the node
    layers: Mapping[str, Seen]
    #: what one of the products stands for, in real units squared
    unit: float

    @property
    def rows(self) -> int:
        """The rows of all layers."""
        return sum(one.rows for one in self.layers.values())

    def merge(self, other: Moment) -> Moment:
        """The moment of the rows of both, of the same layers; the sums of this one grow."""
        if self.products is not None and other.products is not None:
            self.products.merge(other.products)
        pairs = ((name, one, other.layers[name]) for name, one in self.layers.items())
        seen = {name: Seen(one.sum + its.sum, one.rows + its.rows, one.times) for name, one, its in pairs}
        return Moment(self.products, seen, self.unit)

    def half(self, centred: Collection[str] = ()) -> HalfMatrix:
        """The sum of E[x x^T] of the layers' inputs in real units, every row counting alike.

        centred: nodes that count with the covariance E[x x^T] - E[x] E[x]^T.
        """
        size = next(iter(self.layers.values())).sum.shape
        if self.products is None:
            return HalfMatrix.of(np.broadcast_to(np.eye(size[1]), (size[0], size[1], size[1])))
        each = self.unit * sum(1 for one in self.layers.values() if one.rows) / max(self.rows, 1)
        less = tuple((each * one.times * one.rows, one.mean) for name, one in self.layers.items() if name in centred and one.rows)
        rows = self.products.kept_rows()
        return HalfMatrix(size[0], size[1], self.products.panels, () if rows is not None else self.products.parts, each, less, rows)
