"""Ranges without clipping: taken at once, tried to the end both ways, or left."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.data.held_out import division_of
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.passes.quantize.equalize import Equalize
from edgeq.planning.first_plan import MadeFrom, make_plan
from edgeq.progress import Clock, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.first_steps import CLEARLY_DB, HIDDEN_DB, Refining, equalized, ranged
from edgeq.refine.gate import DOUBT_DB, Gate
from edgeq.refine.judge import Judge
from edgeq.refine.steps import take_statistics
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.recipe import Recipe
from edgeq.schema.rules import Rule
from edgeq.schema.task import Planned, Step, Task
from tests.graph_text import eager, net, weights


def tried(outliers: int, fitted: int = 1, *, size: float = 16, width: int = 2048, weight: float = 1) -> tuple[list[Rule], list[Step]]:
    """The rules of the drafts that were followed to the end, and the steps.

    So many of the 80 samples that are fitted to have one number of `width` far from the others, of
    this size, which rule mse clips, and so many of the 20 held-out samples one of the same size.
    weight: how much more than the others that number counts in the output.
    """
    target = eager()
    x = np.random.default_rng(0).normal(size=(100, width)).astype(np.float32)
    x[: 5 * fitted : 5, 0] = size
    x[4 : 5 * outliers : 5, 0] = size
    w = weights(width, 16)
    w[0] *= weight
    model = net("[one] y = Gemm(x, w, b)", inputs=f"float[N, {width}] x", constants={"w": w, "b": weights(16)})
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

    return rules, list(ranged(Refining(draft, statistics, "mse"), gate, to_the_end, data.whole).steps)


@pytest.mark.parametrize(
    ("outliers", "width", "size", "followed", "least", "most"),
    [
        pytest.param(0, 8192, 40, ["mse"], -np.inf, -DOUBT_DB, id="a large loss: clipped"),
        pytest.param(0, 4096, 20, ["mse"], -DOUBT_DB, -HIDDEN_DB, id="a loss, and on all samples too: clipped"),
        pytest.param(0, 2048, 16, ["mse", "minmax"], -HIDDEN_DB, 0, id="a loss that may be chance: both ways"),
        pytest.param(2, 2048, 16, ["mse", "minmax"], CLEARLY_DB, DOUBT_DB, id="a gain that may be chance: both ways"),
        pytest.param(10, 2048, 16, ["minmax"], DOUBT_DB, np.inf, id="a large gain: whole"),
    ],
)
def test_what_rounding_may_hide_or_fake_is_tried_to_the_end(
    outliers: int, width: int, size: float, followed: list[Rule], least: float, most: float
) -> None:
    rules, steps = tried(outliers, size=size, width=width)
    assert rules == followed
    clipped, whole = (step.sqnr_db for step in steps[:2])
    assert clipped is not None and whole is not None
    assert least <= whole - clipped < most
    assert steps[1].kept == (followed == ["minmax"])


@pytest.mark.parametrize(
    ("weight", "kept"),
    [pytest.param(1, False, id="the number counts like all others"), pytest.param(30, True, id="it counts 30 times as much")],
)
def test_all_samples_compare_two_ways_where_those_that_judge_hold_no_large_number(weight: float, kept: bool) -> None:
    rules, steps = tried(0, weight=weight)
    assert rules == ["mse", "minmax"]
    assert (steps[-1].name, steps[-1].kept) == ("ranges (minmax) with all that follows", kept)


def test_a_gain_of_few_samples_that_judge_is_held_against_all() -> None:
    """Of 20 samples that judge, 2 have a large number; of all 100 only 3."""
    _, steps = tried(2)
    assert [(step.name, step.kept) for step in steps[1:]] == [("ranges (minmax)", False), ("ranges (minmax) with all that follows", False)]


def test_a_loss_that_all_samples_do_not_see_is_followed() -> None:
    """The one large number, which counts ten times as much, is not among those that judge."""
    rules, steps = tried(0, size=20, width=4096, weight=10)
    clipped, whole = (step.sqnr_db for step in steps[:2])
    assert clipped is not None and whole is not None
    assert -DOUBT_DB < whole - clipped < -HIDDEN_DB
    assert rules == ["mse", "minmax"]


def test_the_integer_model_of_an_equalized_plan_is_made_of_the_scaled_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit the one that is made of the task's own weights, which are not scaled again."""
    u, x = weights(8, 3, 3, 3), np.random.default_rng(0).normal(size=(12, 3, 8, 8)).astype(np.float32)
    u[:4] *= 32
    constants = {"u": u, "v": weights(4, 8, 1, 1), "b": weights(8)}
    body = "[one] a = Conv<pads = [1, 1, 1, 1]>(x, u, b) r = Relu(a) [two] y = Conv(r, v)"
    model = net(body, inputs="float[N, 3, 8, 8] x", constants=constants)
    task = Task(model, "m", eager(), Recipe(), {})
    data = division_of(open_dataset({"x": x}, input_specs(model)), task.recipe)
    statistics = take_statistics(task, data, Silent()).tensors
    draft = Draft(task, model, make_plan(model, statistics, task.target, task.recipe, MadeFrom("m", "d", "s", "none")))
    plan = equalized(Refining(draft, statistics, "mse"), data.fitted, Silent()).draft.plan
    assert plan.equalization
    wanted = ir.to_proto(rewrite(model, plan, task.target)).SerializeToString(deterministic=True)
    monkeypatch.setattr(Equalize, "_scale", lambda *_: pytest.fail("the weights are scaled again"))
    assert ir.to_proto(draft.emulated(plan)).SerializeToString(deterministic=True) == wanted
