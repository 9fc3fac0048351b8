"""Round layers apart on workers: each weight has an owner, which gets its moment and rounds it.

The moments of a large network take far more bytes than its weights, and none comes to this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.calibration.each_run import reduced
from edgeq.calibration.moments import Measuring
from edgeq.data.dataset import Dataset
from edgeq.engines.current import current_engine
from edgeq.engines.protocol import Job, Opened, in_order
from edgeq.engines.sent import Sent
from edgeq.numerics.clustering import EXACT
from edgeq.numerics.rounding.moment import Moment
from edgeq.progress import Clock, Progress
from edgeq.refine.draft import Draft
from edgeq.refine.round_apart import Rounded, Together, moments_of, round_apart, round_one, sharing
from edgeq.refine.weight_fit import Small
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan
from edgeq.schema.task import Task


@dataclass(frozen=True, eq=False)
class _Setup:
    task: Task
    #: the float model as the grids of the plan see it
    model: Sent
    plan: Plan
    small: Mapping[str, Small]


#: the names of the nodes that share a weight
Owner = tuple[str, ...]


def measured_and_rounded(
    draft: Draft, layers: Sequence[Weighted], data: Dataset, clock: Clock, progress: Progress, small: Mapping[str, Small] | None = None
) -> Plan:
    """The plan with these layers rounded apart, for the moments of their inputs; see round_apart.

    By the workers of the engine, where there are several.
    """
    if not layers:
        return draft.plan
    if current_engine().workers < 2 or draft.task.clustering is not EXACT:
        with clock.stage("calibrate"):
            weighed = moments_of(draft, layers, data, progress)
        with clock.stage("plan"):
            progress.start("round weights", None)
            return round_apart(draft, weighed, small)
    groups, weights, biases = sharing(layers, draft.plan), dict(draft.plan.weights), dict(draft.plan.biases)
    grids = {name: grid.params for name, grid in draft.plan.grids.items()}
    measure = Measuring(tuple(tuple(one.layer for one in users) for users in groups), grids, draft.task.recipe.seed)
    finish = Job(_owners, _Setup(draft.task, Sent.of(draft.model), draft.plan, dict(small or {})))
    owners = [tuple(one.layer.node for one in users) for users in groups]
    progress.start("second moments", data.count)
    with clock.stage("calibrate"):
        for found in in_order(reduced(draft.model, data, measure, finish, owners, progress)):
            weights |= found[0]
            biases |= found[1]
    return draft.plan.with_weights(weights).with_biases(biases)


@contextmanager
def _owners(setup: _Setup) -> Iterator[Opened[tuple[Owner, Moment], Rounded]]:
    draft = Draft(setup.task, setup.model.model, setup.plan)
    named = {one.layer.node: one for one in draft.layers}

    def work(owned: tuple[Owner, Moment], _: Progress) -> Rounded:
        owner, moment = owned
        if not moment.rows:
            return {}, {}
        with threadpool_limits(1, user_api="blas"):
            return round_one(Together(tuple(named[name] for name in owner), moment), draft, setup.small)

    yield work
