"""The candidates for the grid of a value that weights are multiplied with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.calibration.channel_stats import Ends
from edgeq.calibration.grid_errors import GridOption, Reader, Site
from edgeq.graph.read import constant
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.grid import LIMITS, QuantParams, grid_for_range
from edgeq.planning.ranges.choose import choose_range
from edgeq.refine.draft import Draft
from edgeq.refine.input_grids.sites import InputSite
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import RULES

#: a channel is an outlier if its peak is above this quantile of all channels' peaks: three degrees
#: of migration
QUANTILES = (0.98, 0.9, 0.75)
#: the name of a grid that is not in the plan
MEASURED = "measured at every run"


@dataclass(frozen=True, eq=False)
class Ranges:
    """What the candidates for one grid are built from."""

    #: the grid of the recipe's rule
    own: QuantParams
    #: type, symmetry and kind of scale that grids have on the target
    dtype: str
    symmetric: bool
    power_of_two: bool

    def grid(self, low: float, high: float) -> QuantParams:
        """The target's grid for a range."""
        return grid_for_range(low, high, self.dtype, self.symmetric, power_of_two=self.power_of_two)


def candidates_of(site: InputSite, draft: Draft, ends: Ends | None) -> Site:
    """The candidates for one grid, the rule's own first, and the readers that judge them.

    ends: the smallest and the largest value per channel.
    """
    target, recipe = draft.task.target, draft.task.recipe
    facts = target.activations
    ranges = Ranges(draft.plan.grids[site.name].params, facts.dtype, facts.symmetric, facts.power_of_two)
    found = list(_static(site, ranges, recipe))
    measured = target.dynamic is not None and facts.dtype == "uint8" and not facts.power_of_two
    if measured:
        found.append(GridOption(MEASURED, None))
    if ends is not None:
        found += _divided(ends, ranges, measured)
    candidates = tuple(found)
    return Site(site.name, candidates, (Reader(site.layer, site.weight, _weight_noise(site, candidates, recipe.weight_bits)),))


def _static(site: InputSite, ranges: Ranges, recipe: Recipe) -> Iterator[GridOption]:
    """The grid of the recipe's rule, then one for each other rule that gives a different grid."""
    yield GridOption(recipe.rule, ranges.own)
    seen = {(ranges.own.scale.tobytes(), int(ranges.own.zero_point))}
    levels = LIMITS[ranges.dtype][1] - LIMITS[ranges.dtype][0]
    for rule in RULES:
        low, high = choose_range(site.stats, recipe.with_rule(rule), levels=levels, symmetric=ranges.symmetric)
        grid = ranges.grid(low, high)
        key = (grid.scale.tobytes(), int(grid.zero_point))
        if key not in seen:
            seen.add(key)
            yield GridOption(rule, grid)


def _divided(ends: Ends, ranges: Ranges, measured: bool) -> Iterator[GridOption]:
    peaks = np.maximum(-ends[0], ends[1])
    for quantile in QUANTILES:
        factors = outlier_factors(peaks, quantile)
        if factors.max() == 1:
            continue
        low, high = float((ends[0] / factors).min()), float((ends[1] / factors).max())
        how = f"{int((factors > 1).sum())} outlier channels divided"
        yield GridOption(f"minmax, {how}", ranges.grid(low, high), factors)
        if measured:
            yield GridOption(f"{MEASURED}, {how}", None, factors)


def outlier_factors(peaks: F32, quantile: float) -> F32:
    """Factors s [K] for peaks [K] that bring outliers down to the quantile of all peaks.

    Each is 1 or a power of two, which causes no rounding.
    """
    limit = np.quantile(peaks, quantile)
    if limit <= 0:
        return np.ones_like(peaks)
    return np.asarray(np.exp2(np.ceil(np.log2(np.maximum(peaks / limit, 1)))), np.float32)


def _weight_noise(site: InputSite, candidates: tuple[GridOption, ...], bits: int) -> F64:
    """Noise of the weights' own grids under each candidate: the sum of step^2 / 12 over all rows.

    The step of a row is as wide as its largest weight requires.
    """
    noise, largest = np.zeros(len(candidates)), 2 ** (bits - 1) - 1
    for node in site.matmuls:
        weight = np.abs(np.asarray(constant(node.inputs[1]), np.float64))
        for index, one in enumerate(candidates):
            peaks = (weight if one.factors is None else weight * one.factors[:, None]).max(0, initial=0.0)
            noise[index] += float(np.square(peaks / largest).sum() / 12)
    return noise
