"""Round weights so that the layers' outputs change least; biases compensate the mean error.

Each layer is rounded by itself, for the inputs that the float model gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.memory import memory_budget, return_freed_memory
from edgeq.calibration.moments import measure_moments
from edgeq.data.dataset import Dataset
from edgeq.engines.current import current_engine
from edgeq.engines.local import on_threads
from edgeq.graph.layer import Layer
from edgeq.numerics.arrays import F32
from edgeq.numerics.rounding.half_matrix import WIDEST
from edgeq.numerics.rounding.moment import Moment, Seen
from edgeq.planning.kernel_fit import channel_axis
from edgeq.planning.weight_grids import BiasSide
from edgeq.planning.weights import side_of
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.refine.weight_fit import Aim, Small, fit_rows, requantization_of
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan
from edgeq.schema.weights import WeightPlan

#: bytes that rounding takes for each number of a weight, beside its moment
BYTES_A_WEIGHT = 40
#: the most bytes of weights that are rounded at once, unless a single one takes more: with the
#: matrices of the widest layers side by side, a run would take half as much again
TOGETHER_BYTES = 1 << 29


#: the weights, by weight_key, and the biases, by node, that rounding gives
Rounded = tuple[dict[str, WeightPlan], dict[str, tuple[float, ...]]]


@dataclass(frozen=True, eq=False)
class Together:
    """Layers that use one weight alike and get one rounding."""

    users: tuple[Weighted, ...]
    #: second moments of their inputs
    moment: Moment

    @property
    def bytes(self) -> int:
        """About how many bytes rounding takes."""
        layer = self.users[0].layer
        return layer.groups * layer.columns * (BYTES_A_WEIGHT * layer.outputs + 8 * min(layer.columns, WIDEST))


def sharing(layers: Sequence[Weighted], plan: Plan) -> list[tuple[Weighted, ...]]:
    """The layers by the weights that they use alike."""
    shared: dict[tuple[str, Layer, int | None, bool], list[Weighted]] = {}
    for one in layers:
        geometry = Layer("", "", one.layer.groups, one.layer.kernel, one.layer.outputs, one.layer.inputs_first)
        measured = one.layer.source not in plan.grids  # the grid is measured at every run, so its moments have a unit of their own
        shared.setdefault((one.weight, geometry, channel_axis(one.node, one.kernel), measured), []).append(one)
    return [tuple(users) for users in shared.values()]


def moments_of(draft: Draft, layers: Sequence[Weighted], data: Dataset, progress: Progress) -> list[Together]:
    """Second moments of each weight's inputs in the float model, on the plan's grids."""
    grids, groups = {name: grid.params for name, grid in draft.plan.grids.items()}, sharing(layers, draft.plan)
    asked = [[one.layer for one in users] for users in groups]
    found = measure_moments(draft.model, asked, grids, data, seed=draft.task.recipe.seed, progress=progress)
    return [Together(users, moment) for users, moment in zip(groups, found, strict=True) if moment.rows]


def round_apart(draft: Draft, weighed: list[Together], small: Mapping[str, Small] | None = None) -> Plan:
    """The plan with scales and codes that minimise each layer's output error under its moments.

    weighed: emptied, so that each moment goes when its weight is rounded. small: by weight_key, how
    weights are stored in fewer bits. Nodes that share a weight and use it alike get one rounding,
    for the sum of their moments.
    """
    weights, biases = dict(draft.plan.weights), dict(draft.plan.biases)
    threads = current_engine().threads
    for group in _in_groups(weighed, threads):
        with threadpool_limits(1, user_api="blas"):
            for own, corrected in on_threads(min(threads, len(group)), lambda one: round_one(one, draft, small or {}), group):
                weights |= own
                biases |= corrected
        return_freed_memory()
    return draft.plan.with_weights(weights).with_biases(biases)


def _in_groups(weighed: list[Together], threads: int) -> Iterator[list[Together]]:
    """Weights that are rounded at once: as many as the threads and the memory budget allow."""
    weighed.reverse()
    while weighed:
        group, left = [weighed.pop()], min(memory_budget(), TOGETHER_BYTES)
        while weighed and len(group) < 4 * threads and threads * max(one.bytes for one in (*group, weighed[-1])) <= left:
            group.append(weighed.pop())
        yield group


def round_one(one: Together, draft: Draft, small: Mapping[str, Small]) -> Rounded:
    """The weights, by weight_key, and the biases, by node, of the layers."""
    users, plan = one.users, draft.plan
    rows, sides = users[0].rows(), {user.layer.node: side_of(user.node, user.kernel, plan.grids_read(user.layer.node)) for user in users}
    # the covariance where the layer has a bias, which compensates the mean error
    moment = one.moment.half([node for node, side in sides.items() if side.bias is not None])
    aim = Aim(rows, moment, list(sides.values()), requantization_of(users, draft))
    fit = fit_rows(users[0], aim, draft.task, small.get(users[0].key))
    error = rows - fit.codes * fit.scale[..., None]
    seen = [(user.layer.node, sides[user.layer.node], one.moment.layers[user.layer.node]) for user in users]
    biases = {node: _bias(side, inputs, error) for node, side, inputs in seen if side.bias is not None and inputs.rows}
    return {user.key: fit.grid for user in users}, biases


def _bias(side: BiasSide, inputs: Seen, error: F32) -> tuple[float, ...]:
    """b + (W - sQ) E[x]. error: W - sQ [G, C, K]."""
    assert side.bias is not None
    shift = np.stack([rows @ mean for rows, mean in zip(error, (inputs.mean * side.scale).astype(np.float32), strict=True)]).reshape(-1)
    bias = np.broadcast_to(side.bias.reshape(-1).astype(np.float64), shift.shape)
    return tuple(float(np.float32(b)) for b in bias + shift)
