"""Training of one block: the rounding of its weights, its scales, biases and table entries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set

import torch
from torch import Tensor

from edgeq.errors import BadTraining
from edgeq.learn.simulation.simulation import Simulation
from edgeq.learn.simulation.vectors import LearnedVectors
from edgeq.learn.training.blocks import Block
from edgeq.learn.training.soft_rounding import SoftRounding
from edgeq.learn.training.training import FINAL_RATE, cosine

#: learning rates of V, which stays constant, and of scales, biases and table entries, which fall;
#: the latter are in units of the steps that the simulation defines
RATE, SCALE_RATE, BIAS_RATE, ENTRY_RATE = 0.05, 0.003, 0.01, 0.003
#: share of the steps before the regularizer starts (arXiv:2004.10568), and its exponent at its
#: start and at the end
WARM_UP, FIRST_BETA, LAST_BETA = 0.2, 20.0, 2.0
#: factor of the regularizer's mean over the weights, relative to the relative error; with a smaller
#: one, weights end between two codes
STRENGTH = 1.0


def beta_at(share: float) -> float | None:
    """The regularizer's exponent after this share (0..1) of the steps.

    It follows a cosine from FIRST_BETA to LAST_BETA; None: the warm-up is not over.
    """
    if share < WARM_UP:
        return None
    done = (share - WARM_UP) / (1 - WARM_UP)
    return cosine(FIRST_BETA, LAST_BETA, done)


class BlockLesson:
    """The training of one block.

    learned: names of constants that earlier blocks read, which stay as they are. spread: name of a
    target -> variance of its values.
    """

    def __init__(self, student: Simulation, block: Block, learned: Set[str], spread: Mapping[str, float]) -> None:
        self._student, self._block, self._spread = student, block, spread
        own = block.student.read - learned
        weights = {name: weight for name, weight in student.named_weights.items() if name in own}
        # between entries that are vectors nothing lies: such weights keep theirs, which learn
        self.soft = {name: SoftRounding(weight) for name, weight in weights.items() if not isinstance(weight, LearnedVectors)}
        scales = [one.steps for one in student.scales if one.name in own]
        biases = [one.steps for one in student.biases if one.name in own]
        entries = [one.entries for one in weights.values() if one.entries is not None]
        self._rates = [RATE, SCALE_RATE, BIAS_RATE, ENTRY_RATE]
        groups = [[one.v for one in self.soft.values()], scales, biases, entries]
        self._first = [
            (one, one.detach().clone()) for one in (*scales, *biases, *entries, *(one.weight.free for one in self.soft.values()))
        ]
        self.learns = bool(weights)
        self._count = sum(one.v.numel() for one in self.soft.values())
        self._optimizer = torch.optim.Adam([{"params": group} for group in groups])

    def step(self, feeds: Mapping[str, Tensor], wanted: Mapping[str, Tensor], share: float) -> None:
        """Learn from one batch.

        share: of the steps, how many are done (0..1). Raises BadTraining for a loss that is not
        finite.
        """
        falling = cosine(1.0, FINAL_RATE, share)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate if rate == RATE else rate * falling
        soft = {name: one.whole() for name, one in self.soft.items()}
        constants = self._student.constants(self._block.student.read - soft.keys())
        made = self._student.executor.run(self._block.student, {**constants, **soft, **feeds})
        errors = [(made[self._block.targets[name]] - wanted[name]).square().mean() / spread for name, spread in self._spread.items()]
        loss, beta = torch.stack(errors).mean(), beta_at(share)
        if not math.isfinite(float(loss.detach())):
            what, fix = f"The loss of a block is {float(loss.detach())}.", "Look for NaN in the data, or leave reconstruction out."
            raise BadTraining(what, f"block that makes {', '.join(self._spread)}", fix)
        if beta is not None and self.soft:
            loss = loss + STRENGTH * torch.stack([one.penalty(beta) for one in self.soft.values()]).sum() / self._count
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()

    def settle(self) -> None:
        """Round every weight to one of its two codes."""
        for one in self.soft.values():
            one.settle()

    def put_back(self) -> None:
        """Restore every parameter to its value before the training."""
        with torch.no_grad():
            for parameter, first in self._first:
                parameter.copy_(first)
