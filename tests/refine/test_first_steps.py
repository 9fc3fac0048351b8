"""Ranges without clipping: taken at once, tried to the end both ways, or left."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.data.held_out import division_of
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.planning.first_plan import MadeFrom, make_plan
from edgeq.progress import Clock, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.first_steps import CLEARLY_DB, Refining, ranged
from edgeq.refine.gate import DOUBT_DB, Gate
from edgeq.refine.judge import Judge
from edgeq.refine.steps import take_statistics
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import Rule
from edgeq.schema.task import Planned, Step, Task
from tests.graph_text import eager, net, weights


def tried(outliers: int) -> tuple[list[Rule], list[Step]]:
    """The rules of the drafts that were followed to the end, and the steps.

    One number of 100 x 2048 that are fitted to is far from the others, so that rule mse clips it;
    so many of the 20 held-out samples have one of the same size.
    """
    target = eager()
    x = np.random.default_rng(0).normal(size=(100, 2048)).astype(np.float32)
    x[0, 0] = 16
    x[4 : 5 * outliers : 5, 0] = 16
    model = net("[one] y = Gemm(x, w, b)", inputs="float[N, 2048] x", constants={"w": weights(2048, 16), "b": weights(16)})
    task = Task(model, "m", target, Recipe(), {})
    data = division_of(open_dataset({"x": x}, input_specs(model)), task.recipe)
    assert data.held_out is not None
    statistics = take_statistics(task, data, Silent()).tensors
    draft = Draft(task, model, make_plan(model, statistics, target, task.recipe, MadeFrom("m", "d", "s", "none")))
    gate = Gate(Step("ranges (mse)", draft.plan), Judge(model, data.held_out, Silent()), draft.emulated, Clock())
    rules: list[Rule] = []

    def to_the_end(one: Refining, gate: Gate) -> Planned:
        rules.append(one.rule)
        return Planned(one.draft.plan, one.draft.plan, tuple(gate.steps))

    return rules, list(ranged(Refining(draft, statistics, "mse"), gate, to_the_end).steps)


@pytest.mark.parametrize(
    ("outliers", "followed", "least", "most"),
    [
        pytest.param(0, ["mse"], -np.inf, CLEARLY_DB, id="no gain: clipped"),
        pytest.param(2, ["mse", "minmax"], CLEARLY_DB, DOUBT_DB, id="a gain that may be chance: both ways"),
        pytest.param(10, ["minmax"], DOUBT_DB, np.inf, id="a large gain: whole"),
    ],
)
def test_a_gain_that_rounding_may_hide_or_fake_is_tried_to_the_end(outliers: int, followed: list[Rule], least: float, most: float) -> None:
    rules, steps = tried(outliers)
    assert rules == followed
    clipped, whole = (step.sqnr_db for step in steps[:2])
    assert clipped is not None and whole is not None
    assert least <= whole - clipped < most
    assert steps[1].kept == (followed == ["minmax"])


def test_of_two_ways_the_better_at_the_end_is_kept() -> None:
    _, steps = tried(2)
    assert [(step.name, step.kept) for step in steps[1:]] == [("ranges (minmax)", False), ("ranges (minmax) with all that follows", True)]
