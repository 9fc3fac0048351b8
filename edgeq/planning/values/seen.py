"""What calibration saw of values, and the ranges that operators guarantee."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.read import clip_bounds, is_op, nodes, operator_of, values
from edgeq.planning.embeddings import table_of
from edgeq.planning.fixed_grids import fixed_grids
from edgeq.planning.ranges.rule import Range
from edgeq.planning.softmax_limits import SoftmaxLimits
from edgeq.planning.unknown_ranges import is_constant, range_of_constant
from edgeq.schema.target import Target


@dataclass(frozen=True)
class Seen:
    """What calibration saw, and how much of it counts."""

    #: value name -> its statistics
    statistics: Mapping[str, TensorStats]
    #: where numbers are alike to the Softmax behind them
    limits: SoftmaxLimits
    #: value name -> the value
    values: Mapping[str, ir.Value]

    @classmethod
    def of(cls, model: ir.Model, statistics: Mapping[str, TensorStats]) -> Seen:
        """What calibration saw of this model."""
        return cls(statistics, SoftmaxLimits(model, statistics), {str(value.name): value for value in values(model)})

    def bounds(self, name: str) -> Range:
        """Between what numbers any sample can lie, as far as the operator that makes it says so.

        A bounded function, and an input of the model, has no room beyond what was seen.
        """
        value = self.values.get(name)
        maker = None if value is None else value.producer()
        if is_op(maker, "Relu", "Clip") and maker is not None:
            return clip_bounds(maker) or (0.0, 0.0)
        return (0.0, 0.0) if maker is None or operator_of(maker).elementwise == "one" else (-math.inf, math.inf)

    def cut(self, name: str) -> Range | None:
        """The range of a value, cut at its limits; None if it lies within them.

        The rest is taken as it is: the histogram of a mask is too coarse for a rule. A value that
        was one number throughout gets a range from elsewhere.
        """
        stats, (low, high) = self.statistics[name], self.limits.of(name)
        if is_constant(stats):
            return range_of_constant(self.values.get(name), stats.low, self.statistics, (low, high))
        return (max(stats.low, low), min(stats.high, high)) if stats.low < low or stats.high > high else None


def fixed_ranges(model: ir.Model, target: Target) -> dict[str, Range]:
    """The ranges that operators guarantee, by value."""
    fixed = {name: (float(grid.low), float(grid.high)) for name, grid in fixed_grids(model, target).items()}
    for node in nodes(model):
        kernel = target.kernel_of(node.op_type)
        if kernel is not None and kernel.fixed_range is not None and is_op(node, kernel.op):
            fixed.setdefault(str(node.outputs[0].name), kernel.fixed_range)
        table = table_of(node, target)
        if table is not None:  # any of its rows may come
            fixed.setdefault(str(node.outputs[0].name), (min(float(table.min()), 0.0), max(float(table.max()), 0.0)))
    return fixed
