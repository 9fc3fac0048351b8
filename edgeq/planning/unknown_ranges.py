"""Values whose range calibration does not tell: constant ones, and outputs of few samples.

A grid made for them would saturate whatever other data brings, so where float kernels exist, what
reads or makes them stays float.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.macs import elements, macs
from edgeq.graph.read import nodes, only_consumer, operator_of
from edgeq.planning.cut.placement_cut import Cause
from edgeq.planning.few_samples import ENOUGH
from edgeq.planning.kernel_fit import hands_out_float
from edgeq.planning.ranges.rule import Range
from edgeq.schema.target import Target

#: a last operator that reads one element or less for so many multiply-accumulates of the model
#: takes no time that counts: a float element costs about ten of them
CHEAP = 100


def is_constant(stats: TensorStats) -> bool:
    """Whether several values came, all the same."""
    return stats.count > 1 and stats.low == stats.high


def constant_values(statistics: Mapping[str, TensorStats], fixed: Collection[str]) -> dict[str, float]:
    """The observed values that were one number in all of the data, with the number, by name."""
    return {name: stats.low for name, stats in sorted(statistics.items()) if is_constant(stats) and name not in fixed}


def unknown_ranges(model: ir.Model, statistics: Mapping[str, TensorStats], target: Target, fixed: Mapping[str, Range]) -> dict[str, Cause]:
    """The values that are to have no grid, with the reason; none on targets without float kernels.

    fixed: ranges that operators guarantee.
    """
    if target.integer_only:
        return {}
    why = "reads or makes a value that was one and the same number in all of the data: its range is unknown"
    found = dict.fromkeys(constant_values(statistics, fixed), Cause("constant", why))
    samples = max((stats.samples.size for stats in statistics.values()), default=0)
    if 0 < samples < ENOUGH:
        why = f"makes an output, whose range {samples} samples do not show; the float kernel has none"
        for value in model.graph.outputs:
            found.update(dict.fromkeys(_open_output(model, value, target, fixed), Cause("output", why)))
    return found


def _open_output(model: ir.Model, output: ir.Value, target: Target, fixed: Mapping[str, Range]) -> list[str]:
    """An output and the values before it that are only moved, if a cheap operator makes them."""
    value, path = output, [str(output.name)]
    while not (value.uses() if value is output else only_consumer(value) is None):
        maker = value.producer()
        if maker is None or maker.graph is not model.graph or not maker.inputs:
            break
        operator, kernel, source = operator_of(maker), target.kernel_of(maker.op_type), maker.inputs[0]
        if operator.moves in ("views", "reorders") and source is not None:
            value = source
            path.append(str(value.name))
            continue
        bounded = operator.elementwise == "one" or operator.moves is not None or value.name in fixed
        if bounded or kernel is None or kernel.role != "light" or hands_out_float(maker, kernel):
            break
        work = sum(macs(node) for node in nodes(model))
        return path if CHEAP * sum(elements(one) for one in maker.inputs if one is not None) <= work else []
    return []


def range_of_constant(value: ir.Value | None, number: float, statistics: Mapping[str, TensorStats], limits: Range) -> Range:
    """A range for a value of which only one number is known, for targets without float kernels.

    It reaches as far as what the value is added to or joined with, or to the limits of a mask;
    where there is neither, to -1 and 1.
    """
    low, high = min(number, 0.0), max(number, 0.0)
    ends = [end for end in limits if abs(end) < float("inf")]
    for use in () if value is None or ends else value.uses():
        row = operator_of(use.node)
        if row.elementwise == "all" or row.data is None:
            others = [
                statistics[str(one.name)] for one in use.node.inputs if one is not None and one is not value and one.name in statistics
            ]
            ends += [end for stats in others if not is_constant(stats) for end in (stats.low, stats.high)]
    ends = ends or [-1.0, 1.0]
    return min(low, *ends), max(high, *ends)
