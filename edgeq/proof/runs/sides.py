"""The two models of a comparison, run batch by batch: here, or by the workers of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx_ir as ir

from edgeq.calibration.pairs.known_outputs import Feed, KnownOutputs
from edgeq.calibration.pairs.part_labels import PartLabels
from edgeq.calibration.pairs.shards import Asked, FloatSide, OnWorkers, Pair
from edgeq.data.dataset import Dataset
from edgeq.engines.current import current_engine
from edgeq.engines.local import on_threads
from edgeq.errors import BadModel
from edgeq.integers.reading.runner import FileRunner
from edgeq.numerics.output_sums import OutputSums
from edgeq.progress import Progress
from edgeq.proof.made_for import made_for, open_second, run_second
from edgeq.proof.task_accuracy import Samples
from edgeq.runtimes.ort import Optimize, Session, open_session


@dataclass(frozen=True, eq=False)
class Sides:
    """Two models and the data that they are compared on."""

    floats: ir.Model | Path
    integers: ir.Model | Path | FileRunner
    data: Samples
    #: of each session
    threads: int
    batch: int
    #: runs that go on at once
    at_once: int
    #: of the integer model; None: as its record asks for
    optimize: Optimize | None
    #: the float model with its outputs on this data; None: it runs now
    known: KnownOutputs | None

    @cached_property
    def first(self) -> Session | KnownOutputs:
        """The float model."""
        return self.known or open_session(self.floats, threads=self.threads, arena=False)

    @cached_property
    def second(self) -> Session | FileRunner:
        """The integer model."""
        return self.integers if isinstance(self.integers, FileRunner) else open_second(self.integers, self.threads, self.optimize)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The outputs, in order. Raises BadModel where those of the models differ."""
        mine = _outputs(self.floats) if isinstance(self.floats, ir.Model) else self.first.outputs
        theirs = _outputs(self.integers) if isinstance(self.integers, ir.Model) else self.second.outputs
        if mine != theirs:
            raise BadModel("The two models have different outputs.", f"{mine} against {theirs}", "Compare a model with its own int8 form.")
        return mine

    @cached_property
    def parts(self) -> PartLabels | None:
        """The parts of the outputs; None: the float model is not in memory."""
        return PartLabels(self.floats, self.threads, labelled=self._labelled) if isinstance(self.floats, ir.Model) else None

    def empty(self) -> list[OutputSums]:
        """The sums of the outputs over no run."""
        return [OutputSums(name) if self.parts is None else self.parts.sums(name) for name in self.outputs]

    def pairs(self, progress: Progress, *, feeds: bool = False) -> Iterator[Pair]:
        """What each run of both models adds, in the order of the data. feeds: they come along."""
        metric, loaded = self.data.metric, isinstance(self.floats, ir.Model) and isinstance(self.integers, ir.Model)
        feeds = feeds or (metric is not None and metric.takes_inputs)
        if current_engine().workers > 1 and not feeds and loaded and isinstance(self.data, Dataset):
            yield from self._by_workers(self.data, progress)
            return
        for pair in on_threads(self.at_once, self._pair, self.data.batches(self.batch)):
            yield pair
            progress.advance(len(pair.samples))
        if self.known is not None:
            self.known.rest()

    def _by_workers(self, data: Dataset, progress: Progress) -> Iterator[Pair]:
        assert isinstance(self.floats, ir.Model)
        assert isinstance(self.integers, ir.Model)
        side = FloatSide(self.floats, self.known or KnownOutputs(self.floats, threads=1))
        asked = Asked(labelled=self._labelled, outputs=data.metric is not None)
        optimize = self.optimize or made_for(self.integers).optimize
        yield from OnWorkers(side, data, asked, self.batch).pairs(self.integers, optimize, progress)

    def _pair(self, piece: Feed) -> Pair:
        reference = self.first.of(piece) if isinstance(self.first, KnownOutputs) else self.first.run(piece.feeds)
        second = self.second
        got = second.run(piece.feeds, reference) if isinstance(second, FileRunner) else run_second(second, piece.feeds, self.integers)
        labels, sums = {} if self.parts is None else self.parts.of(piece.feeds), self.empty()
        alike = [one.add(f, q, labels.get(one.name), len(piece.samples)) for one, f, q in zip(sums, reference, got, strict=True)]
        return Pair(piece.samples, sums, all(alike), (reference, got), piece.feeds)

    @property
    def _labelled(self) -> bool:
        return self.data.metric is not None and self.data.metric.takes_classes


def _outputs(model: ir.Model) -> tuple[str, ...]:
    return tuple(str(value.name) for value in model.graph.outputs)
