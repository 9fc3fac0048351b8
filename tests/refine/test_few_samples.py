"""Ranges where no sample is held out: whole where clipping helps neither half of the samples."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.data.held_out import division_of
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.planning.first_plan import MadeFrom, make_plan
from edgeq.progress import Clock, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.few_samples import LEAST_RUNS, ranged_by_halves
from edgeq.refine.first_steps import Refining
from edgeq.refine.gate import Gate
from edgeq.refine.judge import Judge
from edgeq.refine.steps import take_statistics
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import Rule
from edgeq.schema.task import Step, Task
from tests.graph_text import eager, net, weights

WIDTH = 16384


def chosen(x: F32, weight: float, rule: Rule = "mse", *, judged: bool = True) -> tuple[Rule, list[Step]]:
    """The rule that few samples lead to, and the steps. weight: how much more one input counts."""
    w = weights(WIDTH, 16)
    w[0] *= weight
    model = net("[one] y = Gemm(x, w, b)", inputs=f"float[N, {WIDTH}] x", constants={"w": w, "b": weights(16)})
    task = Task(model, "m", eager(), Recipe(rule=rule), {})
    data = division_of(open_dataset({"x": x}, input_specs(model)), task.recipe)
    assert data.held_out is None
    statistics = take_statistics(task, data, Silent()).tensors
    draft = Draft(task, model, make_plan(model, statistics, task.target, task.recipe, MadeFrom("m", "d", "s", "none")))
    judge = Judge(model, data.whole, Silent()) if judged else None
    gate = Gate(Step("ranges", draft.plan), judge, draft.emulated, Clock())
    return ranged_by_halves(Refining(draft, statistics, rule), gate, data.fitted, Silent()).rule, list(gate.steps)


def samples(count: int, size: float) -> F32:
    """Samples of which two, one in each half, have a number of this size, which rule mse clips."""
    x = np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32)
    x[:2, 0] = size
    return x


def test_numbers_that_the_output_is_about_are_not_clipped() -> None:
    rule, steps = chosen(samples(12, 8), 64)
    assert rule == "minmax"
    assert [(step.name, step.kept) for step in steps[1:]] == [("ranges (minmax)", True)]


def test_numbers_that_hardly_count_are_clipped() -> None:
    assert chosen(samples(12, 8), 0)[0] == "mse"


@pytest.mark.parametrize(("count", "rule", "judged"), [(LEAST_RUNS - 1, "mse", True), (12, "percentile", True), (12, "mse", False)])
def test_nothing_is_chosen_without_halves_a_judge_or_a_doubt(count: int, rule: Rule, judged: bool) -> None:
    found, steps = chosen(samples(count, 8), 64, rule, judged=judged)
    assert (found, len(steps)) == (rule, 1)
