"""Fit one weight to its aim under the moment of its inputs: scales and codes, or a codebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import grain_of_rows
from edgeq.numerics.formats.format import Format, Inputs
from edgeq.numerics.rounding.codes import Codes
from edgeq.numerics.rounding.factors import feedback
from edgeq.numerics.rounding.half_matrix import HalfMatrix
from edgeq.numerics.rounding.with_feedback import error_under
from edgeq.planning.exact.factors import Requantized
from edgeq.planning.exact.rounding import Rounded, exact_if_cheap, requantized, round_best
from edgeq.planning.kernel_fit import channel_axis
from edgeq.planning.weight_grids import BiasSide, choose_scales, codes_of, least_scales, room_for
from edgeq.planning.weights import weight_axis, weight_plan
from edgeq.refine.codebooks.fit import codebook_of
from edgeq.refine.draft import Draft
from edgeq.refine.weighted import Weighted
from edgeq.schema.task import Task
from edgeq.schema.weights import WeightPlan

#: how a weight is stored in fewer than 8 bits: bits of a codebook's index, or a number format
Small = int | Format


@dataclass(frozen=True, eq=False)
class Aim:
    """What a weight is fitted to, and how much its errors cost."""

    #: the wanted weight, [G, C, K]
    rows: F32
    #: E[x x^T] of its inputs; in real units if `how` is given
    moment: HalfMatrix
    #: input scale and bias of each node that reads the weight
    sides: Sequence[BiasSide]
    #: how sums become codes, for targets whose runtimes differ in it
    how: Requantized | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted weight: its plan, and the same in numbers."""

    grid: WeightPlan
    #: [G, C]
    scale: F32
    #: whole numbers, [G, C, K]
    codes: F32


def fit_rows(one: Weighted, aim: Aim, task: Task, small: Small | None) -> Fitted:
    """Scales and codes that bring a weight close to its aim.

    small: how it is stored in fewer bits; None: plain codes.
    """
    target, recipe, weight = task.target, task.recipe, one.array()
    codes, axis = codes_of(target.weights, one.layer, recipe.weight_bits), weight_axis(one.node, one.kernel, target, recipe)
    if isinstance(small, Format):
        chosen = in_format(aim, small, one.layer.kernel, codes, axis is None)
        grid = weight_plan(one.layer, chosen.scale, chosen.codes, weight, axis, target, f"{small.name}, rounded with the data in view")
        return Fitted(grid.in_format(small.name, channel_axis(one.node, one.kernel) or 0), chosen.scale, chosen.codes)
    if small is not None:
        grain, width = grain_of_rows(recipe.codebook.grain, small, aim.rows.shape[-1])
        least = least_scales(aim.rows, aim.sides, axis is None)
        fit = codebook_of(aim.rows, aim.moment.dense(), codes, least, axis is None, recipe.codebook, small, task.clustering)
        grid = weight_plan(one.layer, fit.scale, fit.codes, weight, axis, target, f"codebook, {width} bits")
        book = grid.as_codebook(str(grain), channel_axis(one.node, one.kernel) or 0, width)
        return Fitted(book, fit.scale, fit.codes)
    scale, rounded = _scales_and_codes(aim, codes, recipe.weight_rule, axis is None)
    grid = weight_plan(one.layer, scale, rounded, weight, axis, target, f"{recipe.weight_rule}, rounded with the data in view")
    return Fitted(grid, scale, rounded)


def in_format(aim: Aim, form: Format, kernel: tuple[int, ...], codes: Codes, shared: bool) -> Rounded:
    """A weight in a number format, as int8 codes with one scale a channel.

    kernel: the shape of a row. codes: the int8 codes that the target allows. shared: one scale for
    all channels. Runtimes that round sums differently get exact factors where these cost little.
    """
    inputs = Inputs(aim.moment)

    def rounded(how: Requantized | None) -> Rounded:
        stored = form.fit(aim.rows, inputs, kernel, room_for(aim.rows, codes, shared, aim.sides, how))
        grid = form.codes8(stored)
        assert grid is not None  # formats that compute in floats are for layers that do
        error = error_under(aim.rows - grid.real, inputs.passed_on)
        return Rounded(grid.scale, grid.codes, np.full_like(error, error.sum()) if shared else error)

    free = rounded(None)
    return free if aim.how is None else exact_if_cheap(rounded(aim.how), free, aim.how.step, shared)


def _scales_and_codes(aim: Aim, codes: Codes, rule: Literal["minmax", "mse"], shared: bool) -> tuple[F32, F32]:
    """Scales [G, C] and codes [G, C, K]."""
    rows, moment, how = aim.rows, aim.moment, aim.how
    importance, passed_on = moment.diagonal(), feedback(moment)
    scale = choose_scales(rows, importance, codes, rule, shared, aim.sides)
    chosen = round_best(rows, passed_on, [scale], codes, shared)
    if how is not None:
        exact = [choose_scales(rows, importance, codes, rule, shared, aim.sides, how), how.above(scale), how.below(scale)]
        chosen = exact_if_cheap(round_best(rows, passed_on, exact, codes, shared), chosen, how.step, shared)
    return chosen.scale, chosen.codes


def requantization_of(users: Sequence[Weighted], draft: Draft) -> Requantized | None:
    """How the sums of these layers become codes.

    None if runtimes do not differ in it, or if the layers do.
    """
    target = draft.task.target
    if not target.integer_only or target.weights.power_of_two:
        return None
    found = {requantized(one.node, draft.plan.nodes, draft.plan.grids) for one in users}
    return found.pop() if len(found) == 1 else None
