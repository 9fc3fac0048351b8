"""Find Concats whose parts are too far apart in range for the one grid that they would share.

What a Pad fills with is such a part of what it makes.

A part p keeps on a grid of step s the ratio of its power to the power of the rounding,
10 log10(sum p^2 / sum (p - Q(p))^2) dB, where sum (p - Q(p))^2 is s^2 / 12 an element for a part
that is wide against s, and all of p for one that is narrow. The histogram gives both sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.tensor_stats import TensorStats
from edgeq.graph.read import constant, is_op, nodes
from edgeq.numerics.arrays import F64
from edgeq.numerics.grid import QuantParams, dequantize, grid_for_range, quantize
from edgeq.planning.cut.placement_cut import Cause
from edgeq.planning.kernel_fit import data_inputs
from edgeq.planning.movement_fit import pad_fill
from edgeq.planning.placement import NodePlace
from edgeq.schema.plan_parts.shared import SharedGrid, SharedPart, Shares
from edgeq.schema.target import Target

#: a part of which a common grid leaves less dB is not served by it: at 20 dB, noise of a tenth of
#: the amplitude, an output counts as good, and this grid alone may make a quarter of that noise
SERVED_DB = 26.0
#: a grid of its own must give a part this many dB more (one bit) to be worth the conversion
GAINED_DB = 6.0
#: numbers that stand for a value of which only the range is known: so many, spread evenly
EVENLY = 1001


@dataclass(frozen=True)
class Numbers:
    """What is known of the numbers of one part."""

    #: float64 [K]: the middles of the bins of a histogram, or the numbers themselves
    values: F64
    #: float64 [K]: how often each comes
    counts: F64
    #: the range, exact
    low: float
    high: float

    def sqnr_db(self, grid: QuantParams) -> float | None:
        """Power of the numbers over that of their rounding to the grid, in dB; None: exact."""
        rounded = dequantize(quantize(self.values, grid), grid).astype(np.float64)
        signal = float(self.counts @ self.values**2)
        noise = float(self.counts @ (self.values - rounded) ** 2)
        return None if noise == 0.0 or signal == 0.0 else 10 * math.log10(signal / noise)


@dataclass(frozen=True)
class Apart:
    """Concats whose parts one grid does not serve."""

    #: values that are to have no grid, because their parts keep their own, with the reason
    unfit: Mapping[str, Cause]
    #: by node: the parts that share a grid all the same
    shared: Mapping[str, SharedGrid]


def parts_apart(
    model: ir.Model,
    places: Mapping[str, NodePlace],
    statistics: Mapping[str, TensorStats],
    fixed: Mapping[str, tuple[float, float]],
    target: Target,
) -> Apart:
    """Look at every Concat that runs in integers.

    Where a part is not served by the common grid, the joined value and its movements are to stay
    float, so that each part keeps its grid. They share it all the same on targets without float
    kernels, and where a layer with weights reads the joined value in integers: it would become
    float, and its weights weigh the parts anyway. fixed: ranges that operators guarantee.
    """
    known = _Known(places, statistics, fixed)
    unfit: dict[str, Cause] = {}
    shared: dict[str, SharedGrid] = {}
    for node in nodes(model):
        place = places.get(str(node.name))
        if place is None or place.runs == "float" or not (is_op(node, "Concat") or (is_op(node, "Pad") and pad_fill(node))):
            continue
        parts = _rated(known.behind(node), target, (pad_fill(node) or 0.0) if is_op(node, "Pad") else 0.0)
        if not any(_apart(part) for part in parts):
            continue
        values, layers = _moved(node, places, target)
        shares: Shares | None = "no_float" if target.integer_only else "layers" if layers else None
        if shares is None:
            unfit.update(dict.fromkeys((str(value.name) for value in values), Cause("parts", _reason(node, parts))))
        else:
            outputs = tuple(str(value.name) for value in values if value.is_graph_output())
            shared[str(node.name)] = SharedGrid(shares=shares, parts=tuple(parts), outputs=outputs)
    # a Concat of Concats has the parts of them all
    listed = {node: {part.value for part in grid.parts} for node, grid in shared.items()}
    inner = {node for node, parts in listed.items() if any(parts < others for others in listed.values())}
    return Apart(unfit, {node: grid for node, grid in shared.items() if node not in inner})


def _rated(numbers: Mapping[str, Numbers], target: Target, fill: float) -> list[SharedPart]:
    """The parts, with what the grid of them all keeps of each, and what one of its own would.

    fill: a number that the grid has to hold besides.
    """

    def grid(low: float, high: float) -> QuantParams:
        facts = target.activations
        return grid_for_range(low, high, facts.dtype, facts.symmetric, power_of_two=facts.power_of_two)

    common = grid(min(fill, *(one.low for one in numbers.values()), 0.0), max(fill, *(one.high for one in numbers.values()), 0.0))
    return [
        SharedPart(value=name, low=one.low, high=one.high, sqnr_db=one.sqnr_db(common), own_db=one.sqnr_db(grid(one.low, one.high)))
        for name, one in numbers.items()
    ]


def _apart(part: SharedPart) -> bool:
    """Whether the common grid does not serve the part, and its own would serve it better."""
    if part.sqnr_db is None or part.sqnr_db >= SERVED_DB:
        return False
    return part.own_db is None or part.own_db - part.sqnr_db >= GAINED_DB


def _reason(node: ir.Node, parts: list[SharedPart]) -> str:
    worst = min((part for part in parts if _apart(part)), key=lambda part: part.sqnr_db or 0.0)
    widest = max(parts, key=lambda part: max(-part.low, part.high))
    own = "no error" if worst.own_db is None else f"{worst.own_db:.1f} dB"
    if is_op(node, "Pad"):
        far = f"Pad {node.name} fills with {pad_fill(node):g}, too far from {worst.value} in [{worst.low:.4g}, {worst.high:.4g}]"
        return f"{far} for one grid, which would keep {worst.sqnr_db:.1f} dB of it, its own grid {own}"
    return (
        f"Concat {node.name} joins {len(parts)} parts too far apart for one grid: with {widest.value} in "
        f"[{widest.low:.4g}, {widest.high:.4g}], {worst.value} in [{worst.low:.4g}, {worst.high:.4g}] would keep "
        f"{worst.sqnr_db:.1f} dB, on its own grid {own}"
    )


def _moved(node: ir.Node, places: Mapping[str, NodePlace], target: Target) -> tuple[list[ir.Value], bool]:
    """The joined value and all that have its grid behind it; whether a layer reads one of them."""
    found = [*node.outputs[:1]]
    layers = False
    for value in found:  # which grows meanwhile
        for reader in dict.fromkeys(use.node for use in value.uses()):
            place = places.get(str(reader.name))
            if place is None or place.runs == "float":
                continue
            kernel = target.kernel_of(reader.op_type)
            moves = place.runs in ("integer", "absorbed") or is_op(reader, "Concat") or (kernel is not None and kernel.same_scale)
            if moves:
                found.extend(output for output in reader.outputs if output.name and output not in found)
            elif kernel is not None and kernel.role == "compute":
                layers = True
    return found, layers


class _Known:
    """What is known of the numbers of values, by their names."""

    def __init__(
        self, places: Mapping[str, NodePlace], statistics: Mapping[str, TensorStats], fixed: Mapping[str, tuple[float, float]]
    ) -> None:
        self.places, self.statistics, self.fixed = places, statistics, fixed

    def behind(self, node: ir.Node) -> dict[str, Numbers]:
        """The numbers of the parts that reach the Concat, through movement in integers."""
        found: dict[str, Numbers] = {}
        stack = [value for value in node.inputs[::-1] if value is not None]
        while stack:
            value = stack.pop()
            numbers = self._numbers(value)
            if numbers is not None:
                found[str(value.name)] = numbers
                continue
            maker = value.producer()
            place = None if maker is None else self.places.get(str(maker.name))
            if maker is not None and place is not None and place.runs in ("integer", "absorbed"):
                indices = data_inputs(maker, None)
                stack.extend(source for index in indices[::-1] if (source := maker.inputs[index]) is not None)
        return found

    def _numbers(self, value: ir.Value) -> Numbers | None:
        array = constant(value)
        if array is not None:
            values = np.asarray(array, np.float64).ravel()
            return Numbers(values, np.ones(values.size), float(values.min(initial=0.0)), float(values.max(initial=0.0)))
        if str(value.name) in self.fixed:
            low, high = self.fixed[str(value.name)]
            return Numbers(np.linspace(low, high, EVENLY), np.ones(EVENLY), low, high)
        stats = self.statistics.get(str(value.name))
        if stats is None or stats.count == 0:
            return None
        middles = (stats.first + np.arange(stats.counts.size) + 0.5) * stats.width
        return Numbers(np.clip(middles, stats.low, stats.high), stats.counts.astype(np.float64), stats.low, stats.high)
