"""Measure second moments of layer inputs in exact integers, from a sample of positions.

The input of a layer is taken as the codes that its grid will give it. Products of 8-bit codes
summed over at most 256 rows fit float32's 24 bits, so BLAS adds them exactly in any order: the
result is the same on every machine and for every number of threads.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import Run, each_run
from edgeq.data.dataset import Dataset
from edgeq.graph.layer import Layer
from edgeq.graph.layer_rows import rows_of
from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.grid import QuantParams, grid_for_range, quantize
from edgeq.progress import Progress, Silent

#: the most rows [.., K] whose products float32 adds exactly: 255^2 * 256 < 2^24
EXACT_ROWS = 256
#: rows per column of the weight that suffice, and the least rows of a layer; four times as many
#: gave no better models
ROWS_PER_COLUMN, LEAST_ROWS = 8, 1024
#: the least rows to take from a sample: fewer from every sample cost more time and gave no better
#: models
ROWS_PER_VISIT = 128


@dataclass(frozen=True)
class Moment:
    """Sums over rows x = code - zero_point of the input of a layer."""

    #: sum of x x^T: float64 [G, K, K], whole numbers
    total: F64
    #: sum of x: float64 [G, K], whole numbers
    sum: F64
    #: number of rows
    rows: int

    @property
    def second(self) -> F64:
        """E[x x^T] [G, K, K], in units of the grid's scale squared."""
        return self.total / max(self.rows, 1)

    @property
    def mean(self) -> F64:
        """E[x] [G, K], in units of the grid's scale."""
        return self.sum / max(self.rows, 1)

    @property
    def covariance(self) -> F64:
        """E[x x^T] - E[x] E[x]^T [G, K, K], in units of the grid's scale squared."""
        mean = self.mean
        return self.second - mean[:, :, None] * mean[:, None, :]


def measure_moments(
    model: ir.Model,
    layers: Iterable[Layer],
    grids: Mapping[str, QuantParams],
    data: Dataset,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Moment]:
    """Node name -> Moment of its input, over a seeded choice of positions in the samples.

    grids: by name of the input value. A value without a grid is quantized, sample by sample, with
    the grid of its own smallest and largest element.
    """
    wanted = tuple(layers)
    progress = progress or Silent()
    progress.start("second moments", data.count)
    sums = [_Sum(layer, grids.get(layer.source), data.runs, seed) for layer in wanted]

    def take(run: Run) -> None:
        due = [one for one in sums if one.visits(run.number)]
        values = run.values({one.layer.source for one in due}) if due else {}
        for one in due:
            if one.layer.source in values:
                one.add(values[one.layer.source], run.samples.start)

    with threadpool_limits(1, user_api="blas"):  # one BLAS thread per worker: more would wait for each other
        each_run(model, {layer.source for layer in wanted}, data, take, progress)
    return {one.layer.node: one.result() for one in sums}


def unit_moments(layers: Iterable[Layer]) -> dict[str, Moment]:
    """The moments assumed without data: inputs independent, zero mean, unit variance."""
    return {
        one.node: Moment(
            np.broadcast_to(np.eye(one.columns), (one.groups, one.columns, one.columns)), np.zeros((one.groups, one.columns)), 1
        )
        for one in layers
    }


class _Sum:
    """The growing Moment of one layer, safe to use from several threads."""

    def __init__(self, layer: Layer, grid: QuantParams | None, runs: int, seed: int) -> None:
        self.layer, self.grid, self.seed = layer, grid, seed
        wanted = max(ROWS_PER_COLUMN * layer.columns, LEAST_ROWS)
        self.quota = max(-(-wanted // max(runs, 1)), ROWS_PER_VISIT)
        visits = -(-wanted // max(1, min(self.quota, layer.positions)))
        self.stride = max(1, runs // visits)
        self.total = np.zeros((layer.groups, layer.columns, layer.columns))
        self.sum = np.zeros((layer.groups, layer.columns))
        self.rows = 0
        self.lock = threading.Lock()
        self.waiting: list[F32] = []
        self.held = 0

    def visits(self, run: int) -> bool:
        """Whether this layer takes rows from that run of the model: every stride-th.

        All layers start with the first run, so that runs between their visits need not be computed.
        """
        return run % self.stride == 0

    def add(self, value: AnyArray, sample: int) -> None:
        """Take rows of one run; `sample`, the first of its samples, seeds the choice."""
        chance = np.random.default_rng([self.seed, sample, zlib.crc32(self.layer.node.encode())])
        rows = rows_of(self.layer, np.asarray(value, np.float32), self.quota, chance)
        grid = self.grid or grid_for_range(float(value.min()), float(value.max()), "uint8")
        codes = quantize(rows, grid).astype(np.float32) - np.float32(grid.zero_point)
        with self.lock:
            self.rows += codes.shape[1]
            self.waiting.append(codes)
            self.held += codes.shape[1]
            if self.held >= EXACT_ROWS:
                self._add_up()

    def result(self) -> Moment:
        """The sums of everything added."""
        if self.held:
            self._add_up()
        return Moment(self.total, self.sum, self.rows)

    def _add_up(self) -> None:
        codes = np.concatenate(self.waiting, axis=1)
        self.waiting, self.held = [], 0
        self.sum += codes.sum(1, dtype=np.float64)
        for start in range(0, codes.shape[1], EXACT_ROWS):
            part = codes[:, start : start + EXACT_ROWS]
            if len(part) == 1:  # a matrix times its own transpose: BLAS computes one half of it
                self.total[0] += part[0].T @ part[0]
            else:
                self.total += np.swapaxes(part, 1, 2) @ part
