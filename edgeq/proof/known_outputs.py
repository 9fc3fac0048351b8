"""Keep the float model's outputs for each batch, within a memory budget.

A search compares many models with the float model on the same data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session

#: outputs beyond this size are computed again each time, so that memory does not grow with the data
BUDGET_BYTES = 1 << 27


class Feed(Protocol):
    """One batch, identified by the global indices of its samples."""

    @property
    def samples(self) -> range: ...

    @property
    def feeds(self) -> Mapping[str, AnyArray]: ...


class KnownOutputs:
    """Outputs of one session, by the samples of the batch; for one data set and one model."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._left = budget
        self._held: dict[range, Sequence[AnyArray]] = {}

    def of(self, session: Session, piece: Feed) -> list[AnyArray]:
        """The outputs of the session for the batch; it runs only when they are not known yet."""
        held = self._held.get(piece.samples)
        if held is not None:
            return list(held)
        outputs = session.run(piece.feeds)
        size = sum(array.nbytes for array in outputs)
        if size <= self._left:
            self._left -= size
            self._held[piece.samples] = outputs
        return outputs
