"""Choose ranges of values that only a bounded function reads, by the error of its output.

Far from zero a bounded function is flat: if a Softmax gives 1 to one class, it does not matter how
much larger its number is. A rule that weights every value alike spends most codes there, and leaves
few for the close numbers that decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.each_run import Listed, Run, Runs, measured
from edgeq.data.dataset import Dataset
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.numerics.grid import QuantParams, dequantize, grid_for_range, quantize
from edgeq.progress import Progress
from edgeq.refine.by_readers.bounded import BoundedReader, bounded_readers
from edgeq.refine.draft import Draft
from edgeq.schema.grids import GridPlan, grid_plan
from edgeq.schema.plan import Plan
from edgeq.schema.target_facts import ActivationFacts

#: number of samples that are visited; of each, the number of elements, or of rows of a Softmax,
#: that are evaluated
VISITS, ELEMENTS, ROWS = 100, 512, 32
#: the ends that are tried, as fractions of the rule's ends
PARTS = np.exp2(-np.arange(1, 33) / 8)
#: a range other than the rule's must have at most this share of its error (1 dB less), because
#: calibration data are a sample
WORTH = 0.8


def choose_reader_ranges(draft: Draft, data: Dataset, progress: Progress) -> Plan:
    """The draft's plan with such ranges; the same plan if there are none.

    Only rule mse, which asks for the least error, is refined in this way.
    """
    plan, target, recipe = draft.plan, draft.task.target, draft.task.recipe
    readers = bounded_readers(draft.model, plan) if recipe.rule == "mse" and not target.activations.power_of_two else ()
    if not readers:
        return plan
    seen = _measure(draft.model, readers, data, recipe.seed, progress)
    grids = dict(plan.grids)
    for reader in readers:
        if reader.value in seen:
            grids[reader.value] = best_grid(grids[reader.value], reader, seen[reader.value], target.activations)
    return plan if grids == plan.grids else plan.with_grids(grids)


def _measure(model: ir.Model, readers: Sequence[BoundedReader], data: Dataset, seed: int, progress: Progress) -> dict[str, F32]:
    """Elements, or rows [R, K], of each value, by its name."""
    progress.start("ranges by their readers", data.count)
    fed = {value.name for value in model.graph.inputs}
    asked = ((place, reader.value, reader.axis) for place, reader in enumerate(readers) if reader.value not in fed)
    drawing = _Drawing(tuple(asked), seed)
    drawn = [found for part in measured(model, data, drawing, progress) for found in part]
    parts = {reader.value: [found[reader.value] for found in drawn if reader.value in found] for reader in readers}
    return {name: whole for name, arrays in parts.items() if (whole := _joined(arrays)) is not None}


@dataclass(frozen=True, eq=False)
class _Drawing:
    """A pass that draws from some values, of some runs."""

    #: place of a reader, the name of its value, and the axis along which it combines elements
    values: tuple[tuple[int, str, int | None], ...]
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, name, _ in self.values))

    def begin(self, runs: Runs, /) -> Listed[dict[str, F32]]:
        stride = max(1, -(-runs.data.runs // VISITS))

        def take(run: Run) -> dict[str, F32]:
            values, start = {} if run.number % stride else run.values(), run.samples.start
            return {
                name: _drawn(axis, values[name], np.random.default_rng([self.seed, start, place]))
                for place, name, axis in self.values
                if name in values
            }

        return Listed(take)


def _drawn(axis: int | None, value: AnyArray, chance: np.random.Generator) -> F32:
    if axis is None:
        flat = np.asarray(value, np.float32).reshape(-1)
        return flat[chance.choice(flat.size, min(flat.size, ELEMENTS), replace=False)]
    rows = np.moveaxis(np.asarray(value, np.float32), axis, -1)
    rows = rows.reshape(-1, rows.shape[-1])
    return np.ascontiguousarray(rows[chance.choice(len(rows), min(len(rows), ROWS), replace=False)])


def _joined(arrays: Sequence[F32]) -> F32 | None:
    """All arrays as one; None if rows differ in length."""
    return np.concatenate(arrays) if len({array.shape[1:] for array in arrays}) == 1 else None


def best_grid(own: GridPlan, reader: BoundedReader, seen: F32, facts: ActivationFacts) -> GridPlan:
    """The grid with the least mean squared error after the reader.

    The low end is chosen first, then the high one, then the low one again.
    """
    exactly = reader.function(seen)

    def error(ends: tuple[float, float]) -> float:
        grid = _grid(ends, facts)
        return float(np.mean(np.square(reader.function(dequantize(quantize(seen, grid), grid)) - exactly, dtype=np.float64)))

    best = low, high = float(own.params.low), float(own.params.high)
    first = least = error(best)
    for lower in (True, False, True):
        for part in PARTS.tolist():
            ends = (low * part, best[1]) if lower else (best[0], high * part)
            found = error(ends)
            if found < least:
                least, best = found, ends
    if least > WORTH * first or best == (low, high):
        return own
    gain = 10 * np.log10(first / max(least, 1e-30))
    why = f"[{best[0]:.6g}, {best[1]:.6g}]: {gain:.1f} dB less error after {reader.op_type} than rule {own.rule}"
    return grid_plan(_grid(best, facts), f"by {reader.op_type}", why, readers=own.readers)


def _grid(ends: tuple[float, float], facts: ActivationFacts) -> QuantParams:
    return grid_for_range(*ends, facts.dtype, facts.symmetric)
