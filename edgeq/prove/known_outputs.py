"""What the float model said to each batch, kept within a budget: a search compares many models with
it on the same data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session

#: outputs beyond this are computed again each time, so that memory does not grow with the data
BUDGET_BYTES = 1 << 27


class Feed(Protocol):
    """One batch, known by its global sample indices."""

    @property
    def samples(self) -> range: ...

    @property
    def feeds(self) -> Mapping[str, AnyArray]: ...


class KnownOutputs:
    """Outputs of one session by the batch's samples. One data set and one model each."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._left = budget
        self._held: dict[range, Sequence[AnyArray]] = {}

    def of(self, session: Session, piece: Feed) -> list[AnyArray]:
        """What the session says to the batch, run only when it is not known."""
        held = self._held.get(piece.samples)
        if held is not None:
            return list(held)
        outputs = session.run(piece.feeds)
        size = sum(array.nbytes for array in outputs)
        if size <= self._left:
            self._left -= size
            self._held[piece.samples] = outputs
        return outputs
