"""Correct each layer's bias so that its output comes as close as possible to the float model's.

The integer model, as corrected so far, and the float model run side by side on a few samples, layer
after layer. The mean error of an output channel, caused by clipped and rounded values before the
layer and by its own rounded weights, is subtracted from its bias. Only places where the output grid
does not saturate count, since a bias has no effect elsewhere. (Empirical bias correction, Nagel et
al., arXiv:1906.04721, section 4.2; there the mean is taken before the activation function, over all
places.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.value_sizes import run_bytes
from edgeq.data.dataset import Dataset
from edgeq.engines.sent import Sent
from edgeq.graph.read import clip_bounds, constant, is_op, only_consumer
from edgeq.numerics.arrays import F64, AnyArray
from edgeq.numerics.grid import QuantParams
from edgeq.progress import Progress, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.step_by_step.bias_shift import Ends, Missed, along, errors, mean_shift, missed, where_it_helps
from edgeq.refine.step_by_step.side_by_side import Both, Models, SideBySide
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan

#: largest number of samples: three times as many gave no better models
SAMPLES = 32
#: memory limit in bytes for the values of all samples at one point of the model
HELD_BYTES = 96 << 20


def correct_biases(
    draft: Draft, layers: Sequence[Weighted], emulate: Callable[[Plan], ir.Model], data: Dataset, progress: Progress | None = None
) -> Plan:
    """The draft's plan with corrected biases for the layers in the main graph.

    emulate: returns the integer model of a plan.
    """
    progress, plan, model = progress or Silent(), draft.plan, draft.model
    mine = {one.layer.node: one for one in layers if one.node.graph is model.graph and bias_of(one) is not None}
    if not mine:
        return plan
    runs = some_runs(data, max(1, min(SAMPLES, HELD_BYTES // max(1, run_bytes(model, data)))))
    progress.start("correct biases", len(mine))
    integer = emulate(plan)
    order = [node for node in model.graph if node.name in mine]
    both = SideBySide(Models(Sent.of(integer), Sent.of(model), data, runs, due=tuple(str(node.name) for node in order)))
    biases, twins = dict(plan.biases), {str(other.name): other for other in integer.graph}
    for node in order:
        one = mine[str(node.name)]
        shift = correct(one, twins[str(node.name)], both, plan)
        biases[one.layer.node] = shifted(one, biases.get(one.layer.node), shift)
        progress.advance(1)
    return plan.with_biases(biases)


def correct(one: Weighted, twin: ir.Node, both: SideBySide, plan: Plan, known: F64 | None = None) -> F64:
    """The shift [C] that brings a layer's integer twin closest to the layer of the float model.

    Runs both layers on all samples. known: a shift that is added in any case.
    """
    grid = plan.grids.get(str(twin.outputs[0].name))
    ends = _ends(one.node, None if grid is None else grid.params)
    shift = mean_shift(both.ask(_Run(one.layer.node, known, ends)))
    before, after = zip(*both.ask(_Try(shift, ends)), strict=True)
    shift = where_it_helps(shift, before, after)
    both.tell(_Add(shift))
    return shift if known is None else known + shift


@dataclass(frozen=True, eq=False)
class _Run:
    """Run a layer in both models."""

    node: str
    known: F64 | None
    ends: Ends

    def on(self, both: Both) -> list[Missed]:
        both.got, both.wanted = both.ours.advance(both.twins[self.node]), both.theirs.advance(both.nodes[self.node])
        if self.known is not None:
            _Add(self.known).on(both)
        return [missed(wanted, got, self.ends) for wanted, got in zip(both.wanted, both.got, strict=True)]


@dataclass(frozen=True, eq=False)
class _Try:
    """Measure the errors [C] of the layer before and after a shift."""

    shift: F64
    ends: Ends

    def on(self, both: Both) -> list[tuple[F64, F64]]:
        return [errors(wanted, got, self.shift, self.ends) for wanted, got in zip(both.wanted, both.got, strict=True)]


@dataclass(frozen=True, eq=False)
class _Add:
    """Add a number per channel to what the layer gives, in place."""

    shift: F64

    def on(self, both: Both) -> list[None]:
        for array in both.got:
            array += self.shift.astype(np.float32).reshape(along(array))
        return []


def shifted(one: Weighted, now: tuple[float, ...] | None, shift: F64) -> tuple[float, ...]:
    """A layer's bias plus `shift` [C]; the bias is `now` or, if that is None, the model's."""
    bias = bias_of(one)
    assert bias is not None
    before = np.asarray(bias.reshape(-1) if now is None else now, np.float64)
    return tuple(float(np.float32(b)) for b in np.broadcast_to(before, shift.shape) + shift)


def _ends(node: ir.Node, grid: QuantParams | None) -> Ends:
    """The interval in which a change of the layer's output has an effect on its readers.

    Outside it, the output grid or a Relu or Clip saturates.
    """
    low, high = (-np.inf, np.inf) if grid is None else (float(grid.low), float(grid.high))
    reader = only_consumer(node.outputs[0])
    cut = clip_bounds(reader) if reader is not None and is_op(reader, "Relu", "Clip") else None
    return (low, high) if cut is None else (max(low, cut[0]), min(high, cut[1]))


def bias_of(one: Weighted) -> AnyArray | None:
    """The constant bias of a layer, or None."""
    index = one.kernel.bias
    return constant(one.node.inputs[index]) if index is not None and index < len(one.node.inputs) else None


def some_runs(data: Dataset, number: int) -> tuple[int, ...]:
    """About `number` runs of the data, spread evenly: their places."""
    runs = data.runs
    return tuple(sorted({index * runs // number for index in range(number)})) if runs > number else tuple(range(runs))
