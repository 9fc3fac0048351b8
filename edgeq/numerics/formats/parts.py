"""What number formats speak of: levels of scales, the room for codes, inputs, codes of channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from edgeq.numerics.arrays import F32, Indices
from edgeq.numerics.rounding.codes import Snap
from edgeq.numerics.rounding.factors import Feedback, feedback
from edgeq.numerics.rounding.half_matrix import WIDEST, HalfMatrix

#: what shares a scale: so many neighbouring numbers of a row, a row, or the whole weight
SharedBy = int | Literal["channel", "tensor"]
#: how a layer computes with weights of a format: int8 where a scale for each channel is enough for
#: int8 codes, so that integer kernels run; else in float
Compute = Literal["int8", "float"]


@dataclass(frozen=True)
class Level:
    """The scales of one level of a format."""

    shared_by: SharedBy
    #: bits of a scale
    bits: int
    #: what a scale is, for people: "float32", "integer 1..15", "power of two"
    kind: str


def _unchanged(scale: F32) -> F32:
    return scale


@dataclass(frozen=True, eq=False)
class Room:
    """What the kernel and the neighbours of a weight leave to its format.

    By default nothing is limited.
    """

    #: maps the scales of channels [G, C] to those that bias, target and requantization allow; they
    #: may be larger or smaller
    allowed: Snap = _unchanged
    #: neighbouring columns whose int8 codes have a limit together: pairs of indices for each order
    #: of columns
    pairs: tuple[Indices, ...] = ()
    #: the largest |a| + |b| of the int8 codes of neighbours of one sign; None: no limit
    limit: int | None = None
    #: whether all channels have one scale
    shared: bool = False

    @property
    def largest(self) -> int:
        """The largest int8 code of which no two neighbours reach the limit."""
        return 127 if self.limit is None or not self.pairs else min(127, self.limit // 2)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What is known of the inputs x of a layer."""

    #: E[x x^T] [G, K, K]
    moment: HalfMatrix

    @cached_property
    def passed_on(self) -> Feedback:
        """What error feedback multiplies errors with."""
        return feedback(self.moment)

    @cached_property
    def damped(self) -> F32 | None:
        """The moment with the damping of error feedback on its diagonal, [G, K, K] in float32.

        None for moments so wide that products between their column blocks are not kept.
        """
        if self.moment.size > WIDEST:
            return None
        matrix = self.moment.dense().astype(np.float32)
        np.einsum("gkk->gk", matrix)[...] += self.passed_on.damping[:, None]
        return matrix


@dataclass(frozen=True, eq=False)
class ChannelGrid:
    """A weight as int8 codes with one scale a channel, zero point 0."""

    #: float32 [G, C]
    scale: F32
    #: whole numbers of -128..127 [G, C, K]
    codes: F32

    @property
    def real(self) -> F32:
        """[G, C, K] in float32, as DequantizeLinear computes them."""
        return self.codes * self.scale[..., None]
