"""Learned rounding: a weight moves between two codes until it reaches one (arXiv:2004.10568).

This is AdaRound. A weight is low + h(V) * (high - low) with the rectified sigmoid
h(V) = clip(sigmoid(V) * (ZETA - GAMMA) + GAMMA, 0, 1). The regularizer sum(1 - |2 h - 1|^beta) is
zero where every h is 0 or 1.
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

#: the sigmoid is stretched by 0.1 beyond 0 and 1, so that h reaches both (arXiv:2004.10568)
ZETA, GAMMA = 1.1, -0.1
#: h starts at this share of the way from the float weight to the code in the plan, since that code
#: was chosen with calibration data
TOWARDS_PLAN = 0.7


def rectified_sigmoid(v: Tensor) -> Tensor:
    """h(V), in 0..1 with both ends included."""
    return torch.clamp(torch.sigmoid(v) * (ZETA - GAMMA) + GAMMA, 0, 1)


def inverse_sigmoid(h: F32) -> F32:
    """The V of each h; h is clipped to 0..1."""
    share = (np.clip(h, 0, 1) - GAMMA) / (ZETA - GAMMA)
    return np.asarray(np.log(share / (1 - share)), np.float32)


class SoftRounding:
    """The rounding of one weight while it is learned.

    v is the parameter, in the weight's shape: h(v) = 0 is the lower of two codes, 1 the higher.
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
        self.v = Parameter(torch.from_numpy(inverse_sigmoid(start[0] * (1 - TOWARDS_PLAN) + start[1] * TOWARDS_PLAN)))

    def whole(self) -> Tensor:
        """The weights between their codes, in the weight's shape.

        Entries of a table receive gradients, too.
        """
        return self._at(rectified_sigmoid(self.v))

    def penalty(self, beta: float) -> Tensor:
        """Sum over the weights of 1 - |2 h - 1|^beta: 1 halfway between two codes, 0 at a code."""
        return (1 - (2 * rectified_sigmoid(self.v) - 1).abs().pow(beta)).sum()

    def settle(self) -> None:
        """Round: store the chosen codes as the parameters of the weight.

        The weight itself still applies the limits of the target.
        """
        with torch.no_grad():
            self.weight.free.copy_(self._at((self.v >= 0).float()) / self.weight.unit)

    def _at(self, h: Tensor) -> Tensor:
        low, high = self._ends()
        whole = low + h * (high - low)
        return whole if self._kept is None else torch.where(self._kept, whole, torch.zeros_like(whole))

    def _ends(self) -> tuple[Tensor, Tensor]:
        """The lower and the higher code of each weight."""
        if self._place is None or self.weight.table is None:
            return self._low, self._low + 1
        entries = self.weight.table.whole().reshape(-1)
        return entries[self._place], entries[self._place + 1]


def _places(weight: LearnedWeight, table: Table, began: F32, wanted: F32) -> Indices:
    """The index of the lower entry of each weight, among all tables one after the other."""
    entries = table.whole().detach()
    size = entries.shape[1]
    places = weight.clusters(table, entries, weight.one.layer.weight_rows(began))
    return np.asarray(np.clip(places % size - (began > wanted), 0, size - 2) + places // size * size, np.intp)


def _kept(weight: LearnedWeight) -> Tensor | None:
    """Where a weight may differ from 0; None: everywhere."""
    kept = weight.codes.kept
    return None if kept is None else torch.from_numpy(np.ascontiguousarray(weight.one.layer.from_rows(kept)))


def _in_codes(weight: LearnedWeight) -> F32:
    """The float weight in units of its codes."""
    index = weight.one.kernel.weight
    assert index is not None
    array = constant(weight.one.node.inputs[index])
    assert array is not None
    return in_steps(array, weight.first)
