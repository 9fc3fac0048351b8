"""Rounding that is learned: every weight lies somewhere between two codes and is driven to one of
them (AdaRound, arXiv:2004.10568).

A weight is low + h(V) * (high - low) with the rectified sigmoid h(V) = clip(sigmoid(V) * (ZETA -
GAMMA) + GAMMA, 0, 1). The regulariser sum(1 - |2 h - 1|^beta) vanishes where every h is 0 or 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from edgeq.graph.read import constant
from edgeq.learn.simulation.tables import Table
from edgeq.learn.simulation.weights import LearnedWeight, in_steps
from edgeq.numerics.arrays import F32, Indices

#: the sigmoid is stretched beyond 0 and 1 by a tenth, so that h reaches them (arXiv:2004.10568)
ZETA, GAMMA = 1.1, -0.1
#: h begins at this share of the way from where the float weight lies to the code in the plan, which
#: was chosen with the data in view
TOWARDS_PLAN = 0.7


def rectified_sigmoid(v: Tensor) -> Tensor:
    """h(V), from 0 to 1, both included."""
    return torch.clamp(torch.sigmoid(v) * (ZETA - GAMMA) + GAMMA, 0, 1)


def inverse(h: F32) -> F32:
    """The V of each h in 0..1."""
    share = (np.clip(h, 0, 1) - GAMMA) / (ZETA - GAMMA)
    return np.asarray(np.log(share / (1 - share)), np.float32)


class SoftRounding:
    """The rounding of one weight while it is learned. v: the parameter, in the weight's shape; with
    h of 0 it is the lower of two codes.
    """

    def __init__(self, weight: LearnedWeight) -> None:
        self.weight = weight
        began, wanted = weight.whole().detach().numpy(), _in_codes(weight)
        self._kept = _kept(weight)
        self._place = None if weight.table is None else torch.from_numpy(_places(weight, weight.table, began, wanted))
        self._low = torch.from_numpy(np.clip(began - (began > wanted), weight.codes.qmin, weight.codes.qmax - 1))
        low, high = (end.detach().numpy() for end in self._ends())
        span = np.where(high > low, high - low, 1)
        start = [np.clip((codes - low) / span, 0, 1) for codes in (wanted, began)]
        self.v = Parameter(torch.from_numpy(inverse(start[0] * (1 - TOWARDS_PLAN) + start[1] * TOWARDS_PLAN)))

    def whole(self) -> Tensor:
        """Where the weights lie between their codes, in the weight's shape. Entries of a table get
        gradients, too.
        """
        return self._at(rectified_sigmoid(self.v))

    def penalty(self, beta: float) -> Tensor:
        """Sum over the weights of 1 - |2 h - 1|^beta: 1 where a weight lies in the middle, 0 on a
        code.
        """
        return (1 - (2 * rectified_sigmoid(self.v) - 1).abs().pow(beta)).sum()

    def settle(self) -> None:
        """Round: the weight's own numbers become the codes. What the target allows is still up to
        the weight.
        """
        with torch.no_grad():
            self.weight.free.copy_(self._at((self.v >= 0).float()) / self.weight.unit)

    def _at(self, h: Tensor) -> Tensor:
        low, high = self._ends()
        whole = low + h * (high - low)
        return whole if self._kept is None else torch.where(self._kept, whole, torch.zeros_like(whole))

    def _ends(self) -> tuple[Tensor, Tensor]:
        """The two codes of each weight."""
        if self._place is None or self.weight.table is None:
            return self._low, self._low + 1
        entries = self.weight.table.whole().reshape(-1)
        return entries[self._place], entries[self._place + 1]


def _places(weight: LearnedWeight, table: Table, began: F32, wanted: F32) -> Indices:
    """The place of the lower entry beside each weight, all tables one after the other."""
    entries = table.whole().detach()
    size = entries.shape[1]
    places = weight.clusters(table, entries, weight.one.layer.weight_rows(began))
    return np.asarray(np.clip(places % size - (began > wanted), 0, size - 2) + places // size * size, np.intp)


def _kept(weight: LearnedWeight) -> Tensor | None:
    """Where a weight may be something else than 0; None: everywhere."""
    kept = weight.codes.kept
    return None if kept is None else torch.from_numpy(np.ascontiguousarray(weight.one.layer.from_rows(kept)))


def _in_codes(weight: LearnedWeight) -> F32:
    """The float weight in units of its codes."""
    index = weight.one.kernel.weight
    assert index is not None
    array = constant(weight.one.node.inputs[index])
    assert array is not None
    return in_steps(array, weight.first)
