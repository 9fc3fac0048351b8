"""Keep the float model's outputs for each batch, within a memory budget.

A decision and a search compare many models with the float model on the same data.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import onnx_ir as ir

from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session

#: outputs beyond this size are computed again each time, so that memory does not grow with the data
BUDGET_BYTES = 1 << 27


class Feed(Protocol):
    """One batch, identified by the global indices of its samples."""

    @property
    def samples(self) -> range: ...

    @property
    def feeds(self) -> Mapping[str, AnyArray]: ...


class KnownOutputs:
    """Outputs of one model, by the samples of the batch; for one data set."""

    def __init__(self, model: ir.Model | Path, threads: int = 0, budget: int = BUDGET_BYTES) -> None:
        """threads: worker threads of one operator; 0 leaves the number to the runtime."""
        self._model, self._threads, self._left = model, threads, budget
        self._held: dict[range, Sequence[AnyArray]] = {}
        self._session: Session | None = None
        self._lock = threading.Lock()

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return self._opened().outputs

    @cached_property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The inputs, as precisely as they are known."""
        return self._opened().inputs

    def _opened(self) -> Session:
        """The model, opened when it is needed."""
        with self._lock:
            if self._session is None:
                self._session = open_session(self._model, threads=self._threads, arena=False)
                self.outputs, self.inputs = self._session.outputs, self._session.inputs
            return self._session

    def rest(self) -> None:
        """Close the session until outputs are wanted that are not held: a model may be large."""
        self._session = None

    def of(self, piece: Feed) -> list[AnyArray]:
        """The outputs for the batch; the model runs only when they are not known yet.

        Threads may ask at the same time.
        """
        held = self._held.get(piece.samples)
        if held is not None:
            return list(held)
        outputs = self._opened().run(piece.feeds)
        size = sum(array.nbytes for array in outputs)
        with self._lock:
            if size <= self._left:
                self._left -= size
                self._held[piece.samples] = outputs
        return outputs


class KnownOfPart(KnownOutputs):
    """Outputs for some samples of a data set: those of the whole set, by their places in it."""

    def __init__(self, whole: KnownOutputs, kept: Sequence[int]) -> None:
        """kept: the place of each sample in the whole, in ascending order."""
        super().__init__(whole._model, whole._threads)
        self._whole, self._kept = whole, kept

    def _opened(self) -> Session:
        return self._whole._opened()

    def rest(self) -> None:
        """Close the session of the whole."""
        self._whole.rest()

    def of(self, piece: Feed) -> list[AnyArray]:
        """The outputs for a batch of samples that are neighbours in the whole as well."""
        first, last = self._kept[piece.samples.start], self._kept[piece.samples.stop - 1]
        assert last - first == len(piece.samples) - 1
        return self._whole.of(_Moved(range(first, last + 1), piece.feeds))


@dataclass(frozen=True)
class _Moved:
    """A batch under other indices."""

    samples: range
    feeds: Mapping[str, AnyArray]
