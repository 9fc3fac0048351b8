"""Measure how much the quantization of a value moves the outputs of its layers, for many grids.

For rows x of a layer's input, Q(x) what a grid makes of them, and weights W, the error of a row is
||W (x - Q(x))||^2, and what counts is its size relative to the output. With E = ||W x||^2, a row
is weighted by 1 / (E + mean E), so that neither outlier rows nor rows near zero decide alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import Listed, Run, Runs, measured
from edgeq.data.dataset import Dataset
from edgeq.graph.layer import Layer
from edgeq.graph.layer_rows import rows_of
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.grid import QuantParams, dequantize, grid_for_range, quantize
from edgeq.progress import Progress

#: rows of a sample, and samples that are visited: more did not change a choice
ROWS, VISITS = 32, 48


@dataclass(frozen=True, eq=False)
class GridOption:
    """One way to quantize a value."""

    #: what the option is called
    name: str
    #: its grid; None: every run takes the grid of its own range
    grid: QuantParams | None
    #: s [K], by which the value is divided before it is quantized; None: it is not
    factors: F32 | None = None


@dataclass(frozen=True, eq=False)
class Reader:
    """Layers that read one value in the same way."""

    #: their geometry; its source is the name of the value
    layer: Layer
    #: [G, C, K]: all their rows
    weight: F32
    #: [candidates]: sum over rows of step^2 / 12 of the weight's own grid under each candidate, the
    #: error that nearest rounding would leave
    noise: F64


@dataclass(frozen=True, eq=False)
class Site:
    """A grid to be chosen: its candidates, and all layers that will read the value."""

    name: str
    candidates: tuple[GridOption, ...]
    readers: tuple[Reader, ...]


def measure_errors(model: ir.Model, sites: Sequence[Site], data: Dataset, seed: int, progress: Progress) -> dict[str, F64]:
    """Site name -> relative output error of each candidate; NaN where no sample had the value."""
    progress.start("output errors", data.count)
    with threadpool_limits(1, user_api="blas"):
        found = [errors for part in measured(model, data, _Erring(tuple(sites), seed), progress) for errors in part]
    return {site.name: _mean([errors[site.name] for errors in found if site.name in errors], len(site.candidates)) for site in sites}


@dataclass(frozen=True, eq=False)
class _Erring:
    """A pass over some runs; see measure_errors."""

    sites: tuple[Site, ...]
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reader.layer.source for site in self.sites for reader in site.readers))

    def begin(self, runs: Runs, /) -> Listed[dict[str, F64]]:
        stride = max(1, -(-runs.data.runs // VISITS))

        def take(run: Run) -> dict[str, F64]:
            if run.number % stride or not self.sites:
                return {}
            values, start = run.values(), run.samples.start

            def of(reader: Reader, site: Site) -> F64:
                chance = np.random.default_rng([self.seed, start, _number(reader)])
                return _errors(reader, site.candidates, np.asarray(values[reader.layer.source], np.float32), chance)

            errors = {site.name: [of(reader, site) for reader in site.readers if reader.layer.source in values] for site in self.sites}
            return {name: np.mean(found, axis=0) for name, found in errors.items() if found}

        return Listed(take)


def _mean(found: Sequence[F64], size: int) -> F64:
    return np.mean(found, axis=0) if found else np.full(size, np.nan)


def _number(reader: Reader) -> int:
    return zlib.crc32(reader.layer.node.encode())


def _errors(reader: Reader, candidates: Sequence[GridOption], value: F32, chance: np.random.Generator) -> F64:
    rows = rows_of(reader.layer, value, ROWS, chance)
    energy = _energy(rows, reader.weight)
    weigh = energy + energy.mean()
    ends = _column_ends(reader.layer, value) if any(one.grid is None for one in candidates) else None
    lost, measured = zip(*(_lost(one, rows, ends) for one in candidates), strict=True)
    error = _energy(np.concatenate(lost, axis=1), reader.weight).reshape(len(candidates), -1)  # in one product: it reads the weight once
    error += reader.noise[:, None] * np.stack(measured)
    return np.asarray(np.mean(error / np.maximum(weigh, np.finfo(np.float32).tiny), axis=1))


def _column_ends(layer: Layer, value: F32) -> tuple[F32, F32]:
    """The smallest and the largest number of each column; of all where the layer has a window."""
    columns = value.reshape(-1, layer.columns if layer.window is None else 1)
    return columns.min(0), columns.max(0)


def _lost(one: GridOption, rows: F32, ends: tuple[F32, F32] | None) -> tuple[F32, F64]:
    """What a grid takes from rows x [G, R, K], and the squares of x by the factors, [R].

    ends: of the columns, for a grid that is measured at every run.
    """
    factors = np.float32(1) if one.factors is None else one.factors
    divided, grid = rows / factors, one.grid
    if grid is None:
        assert ends is not None
        grid = grid_for_range(float((ends[0] / factors).min()), float((ends[1] / factors).max()), "uint8")
    return (divided - dequantize(quantize(divided, grid), grid)) * factors, np.square(divided, dtype=np.float64).sum((0, 2))


def _energy(rows: F32, weight: F32) -> F64:
    """||W x||^2 of each row over all groups: rows [G, R, K], weight [G, C, K] -> float64 [R]."""
    return np.asarray(np.square(rows @ np.swapaxes(weight, 1, 2), dtype=np.float64).sum((0, 2)))
