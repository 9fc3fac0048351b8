"""Measure how far a runtime is from edgeq's own interpreter of the same .tflite file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.data.dataset import Dataset
from edgeq.integers.reading.opened import OpenedFile
from edgeq.integers.reading.read import read_tflite
from edgeq.integers.reading.runner import real, runner_of
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import LIMITS, QuantParams, dequantize
from edgeq.progress import Progress
from edgeq.proof.elsewhere.distance import Distance, Sums
from edgeq.runtimes.protocol import OpenedModel, Port

#: runs on codes that are made up where there is no data
MADE_UP = 8


@dataclass(frozen=True, eq=False)
class OwnFile:
    """A file in edgeq's interpreter."""

    data: bytes
    opened: OpenedFile

    @classmethod
    def of(cls, data: bytes) -> OwnFile:
        """Raises what read_tflite raises."""
        return cls(data, OpenedFile(read_tflite(data)))


def file_distance(own: OwnFile, runs: OpenedModel, dataset: Dataset | None, progress: Progress) -> Distance:
    """Run a runtime and the interpreter on every sample, or on made-up codes without data."""
    machine = own.opened.machine
    grids = [machine.output_grids.get(port.name) for port in own.opened.outputs]
    sums = [Sums(port.name, 1.0 if grid is None else float(grid.scale)) for port, grid in zip(own.opened.outputs, grids, strict=True)]
    times: list[float] = []
    count = MADE_UP if dataset is None else dataset.count
    progress.start("compare with edgeq's interpreter", count)
    for arrays in _made_up(own.opened) if dataset is None else _fed(own, dataset):
        begin = time.perf_counter()
        found = runs.run(arrays)
        times.append(time.perf_counter() - begin)
        for one, wanted, array, port in zip(sums, own.opened.run(arrays), found, own.opened.outputs, strict=True):
            one.add(np.asarray(real(wanted, port), np.float32), np.asarray(real(array, port), np.float32))
        progress.advance()
    return Distance(tuple(one.result() for one in sums), count, 1e3 * float(np.median(times)) if times else 0.0)


def _fed(own: OwnFile, dataset: Dataset) -> Iterator[list[AnyArray]]:
    runner = runner_of(own.data, own.opened, dataset.inputs, [port.name for port in own.opened.outputs])
    for piece in dataset.batches(own.opened.inputs[0].shape[0] if own.opened.inputs[0].shape else 1):
        yield runner.fed(piece.feeds)


def _made_up(own: OpenedFile) -> Iterator[list[AnyArray]]:
    """Every code of an input's grid is equally likely; whole numbers are 0 or 1."""
    noise = np.random.default_rng(0)
    for _ in range(MADE_UP):
        yield [_drawn(noise, port, own.machine.input_grids.get(port.name)) for port in own.inputs]


def _drawn(noise: np.random.Generator, port: Port, grid: QuantParams | None) -> AnyArray:
    low, high = (0, 1) if grid is None else LIMITS[grid.dtype]
    codes = noise.integers(low, high + 1, port.shape)
    return dequantize(codes, grid) if grid is not None and port.dtype == "float32" else codes.astype(port.dtype)
