"""Measure second moments of layer inputs in exact integers, from a sample of positions.

The input of a layer is taken as the codes that its grid will give it. Products of codes are added
up as whole numbers (edgeq/numerics/rounding/exact_sums.py): the result is the same on every
machine, in any order and for every number of threads. Layers that share a weight share the sums.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import Run, Runs, measured
from edgeq.calibration.memory import memory_budget
from edgeq.data.dataset import Dataset
from edgeq.graph.layer import Layer
from edgeq.graph.layer_rows import rows_of
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams, grid_for_range, less_zero_point
from edgeq.numerics.rounding.exact_sums import ExactSums, sums_bytes
from edgeq.numerics.rounding.few_rows import most_rows
from edgeq.numerics.rounding.half_matrix import panels_of
from edgeq.numerics.rounding.moment import Moment, Seen
from edgeq.progress import Progress, Silent

#: rows per column of the weight that suffice, and the least rows of a layer; four times as many
#: gave no better models
ROWS_PER_COLUMN, LEAST_ROWS = 8, 1024
#: the least rows to take from a sample: fewer from every sample cost more time and gave no better
#: models
ROWS_PER_VISIT = 128
#: rows of codes that wait, so that a matrix is not gone through for each few; least and most codes
WAITING_ROWS, WAITING_LEAST, WAITING_MOST = 512, 1 << 15, 1 << 22
#: weights of layers that share sums are multiples of the largest one divided by this
SHARES = 1 << 16


def measure_moments(
    model: ir.Model,
    together: Iterable[Sequence[Layer]],
    grids: Mapping[str, QuantParams],
    data: Dataset,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Moment]:
    """The Moment of each group of layers that share a weight, from a seeded choice of positions.

    grids: by name of the input value. A value without a grid is quantized, sample by sample, with
    the grid of its own smallest and largest element, and counts in units of that grid's scale. Sums
    beyond half of the memory budget lie in mapped files.
    """
    progress = progress or Silent()
    progress.start("second moments", data.count)
    measure, found = Measuring(tuple(map(tuple, together)), dict(grids), seed), list[Moment]()
    with threadpool_limits(1, user_api="blas"):  # one BLAS thread per worker: more would wait for each other
        for part in measured(model, data, measure, progress):
            found = [mine.merge(its) for mine, its in zip(found, part, strict=True)] if found else part
    return found


@dataclass(frozen=True, eq=False)
class Measuring:
    """A pass that measures second moments; see measure_moments."""

    together: tuple[tuple[Layer, ...], ...]
    grids: Mapping[str, QuantParams]
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer.source for layers in self.together for layer in layers))

    def begin(self, runs: Runs, /) -> _Growing:
        return _Growing(self, runs.data.runs)


class _Growing:
    """The sums of one shard."""

    def __init__(self, measure: Measuring, runs: int) -> None:
        room = memory_budget() // 2
        self._sums, self._shared = list[_Sum](), list[tuple[_Shared, list[_Sum]]]()
        for layers in measure.together:
            whole = _Shared(layers, measure.grids, room)
            room -= whole.bytes
            mine = [_Sum(layer, measure.grids.get(layer.source), runs, measure.seed, whole) for layer in layers]
            self._shared.append((whole, mine))
            self._sums += mine

    def take(self, run: Run) -> None:
        due: dict[str, list[_Sum]] = {}
        for one in (one for one in self._sums if one.visits(run.number)):
            due.setdefault(one.layer.source, []).append(one)
        for name, value in run.each(due):
            for one in due[name]:
                one.add(value, run.samples.start)

    def part(self) -> list[Moment]:
        return [whole.moment([one.result() for one in mine]) for whole, mine in self._shared]


def unit_moments(together: Iterable[Sequence[Layer]]) -> list[Moment]:
    """The moments assumed without data: inputs independent, zero mean, unit variance."""
    return [Moment(None, {one.node: Seen(np.zeros((one.groups, one.columns)), 1) for one in layers}, 1.0) for layers in together]


class _Shared:
    """The growing products of layers that share a weight, safe to use from several threads."""

    def __init__(self, layers: Sequence[Layer], grids: Mapping[str, QuantParams], room: int) -> None:
        """room: bytes that they may take in memory."""
        self.layers = layers
        panels = panels_of(layers[0].columns, math.prod(layers[0].kernel[1:]))
        self.bytes = sums_bytes(layers[0].groups, panels)
        few = most_rows(layers[0].columns) if len(layers) == 1 else 0
        self.products = ExactSums(layers[0].groups, panels, self.bytes > room, few)
        squares = [float(grids[one.source].scale) ** 2 if one.source in grids else 1.0 for one in layers]
        alike = len(set(squares)) == 1
        self.unit = squares[0] if alike else max(squares) / SHARES
        self.times = {one.node: 1 if alike else round(square / self.unit) for one, square in zip(layers, squares, strict=True)}
        self.lock = threading.Lock()

    def add(self, node: str, codes: AnyArray) -> None:
        """Add the products of rows [G, R, K] of a layer."""
        if self.times[node]:
            with self.lock:
                self.products.add(codes, self.times[node])

    def moment(self, seen: Sequence[tuple[AnyArray, int]]) -> Moment:
        """The moment, once all layers have added their rows. seen: sum and number of each."""
        found = {one.node: Seen(total, rows, self.times[one.node]) for one, (total, rows) in zip(self.layers, seen, strict=True)}
        return Moment(self.products, found, self.unit)


class _Sum:
    """The growing sums of the input of one layer, safe to use from several threads."""

    def __init__(self, layer: Layer, grid: QuantParams | None, runs: int, seed: int, whole: _Shared) -> None:
        self.layer, self.grid, self.seed = layer, grid, seed
        wanted = max(ROWS_PER_COLUMN * layer.columns, LEAST_ROWS)
        self.quota = max(-(-wanted // max(runs, 1)), ROWS_PER_VISIT)
        visits = -(-wanted // max(1, min(self.quota, layer.positions)))
        self.stride = max(1, runs // visits)
        self.sum = np.zeros((layer.groups, layer.columns), np.int64)
        self.rows, self.waiting, self.held = 0, list[AnyArray](), 0
        self.most = min(max(WAITING_ROWS * layer.groups * layer.columns, WAITING_LEAST), WAITING_MOST)
        self.lock, self._whole = threading.Lock(), whole

    def visits(self, run: int) -> bool:
        """Whether this layer takes rows from that run: every stride-th, from the first one on."""
        return run % self.stride == 0

    def add(self, value: AnyArray, sample: int) -> None:
        """Take rows of one run; `sample`, the first of its samples, seeds the choice."""
        chance = np.random.default_rng([self.seed, sample, zlib.crc32(self.layer.node.encode())])
        rows = rows_of(self.layer, np.asarray(value, np.float32), self.quota, chance)
        grid = self.grid or grid_for_range(float(value.min()), float(value.max()), "uint8")
        codes = less_zero_point(rows, grid)
        with self.lock:
            self.rows += codes.shape[1]
            self.waiting.append(codes)
            self.held += codes.size
            if self.held >= self.most:
                self._add_up()

    def result(self) -> tuple[AnyArray, int]:
        """The sum of everything added, and its number of rows."""
        if self.held:
            self._add_up()
        return self.sum, self.rows

    def _add_up(self) -> None:
        codes = np.concatenate(self.waiting, axis=1)
        self.waiting, self.held = [], 0
        self.sum += codes.sum(1, dtype=np.int64)
        self._whole.add(self.layer.node, codes)
