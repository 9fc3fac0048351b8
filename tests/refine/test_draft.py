"""A draft: the float model as its plan sees it, its layers and tables, and the integer model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.refine.draft import Draft
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.task import Task
from tests.graph_text import eager, net, weights

BODY = "[look] e = Gather<axis = 0>(table, ids) [fc1] m = MatMul(e, w) [kept] n = MatMul(m, v) [fc2] y = MatMul(n, w)"
CONSTANTS = {"table": weights(500, 16), "w": weights(16, 16), "v": weights(16, 16, seed=1)}
IDS = {"ids": np.random.default_rng(0).integers(0, 500, (16, 6))}


def draft() -> Draft:
    model, target, recipe = net(BODY, inputs="int64[N, 6] ids", constants=CONSTANTS), eager(), Recipe(keep_float=("kept",))
    plan = quantize(model, IDS, target=target, recipe=recipe, prove=False).plan
    return Draft.of(Task(model, plan.model, target, recipe, {}), plan)


def test_layers_and_tables_are_those_of_the_plan() -> None:
    found = draft()
    assert [one.key for one in found.layers] == ["fc1:1", "fc2:1"]
    assert list(found.tables) == ["look:0"]
    assert np.array_equal(found.layers[0].rows()[0], CONSTANTS["w"].T)


def test_another_plan_has_other_layers_and_the_same_model() -> None:
    found = draft()
    weights_left = {key: weight for key, weight in found.plan.weights.items() if key != "fc1:1"}
    other = found.with_plan(found.plan.with_weights(weights_left))
    assert [one.key for one in other.layers] == ["fc2:1"]
    assert (other.model, other.task) == (found.model, found.task)
    assert [one.key for one in found.layers] == ["fc1:1", "fc2:1"]


def test_the_integer_model_is_that_of_the_rewrite() -> None:
    found = draft()
    wanted, made = rewrite(found.task.model, found.plan, found.task.target), found.emulated(found.plan)
    assert [(node.op_type, node.name) for node in made.graph] == [(node.op_type, node.name) for node in wanted.graph]


def test_the_model_of_the_last_plan_is_made_once_for_all_drafts_of_the_task() -> None:
    found = draft()
    first = found.shown(found.plan)
    other = found.plan.with_biases({})
    assert found.with_plan(other).shown(found.plan) is first
    assert found.emulated(found.plan) is not first  # the caller may change this one
    assert found.shown(other) is not first
    assert found.shown(found.plan) is not first  # one model is held at a time


def test_a_large_model_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.refine.draft.HELD_BYTES", 100)
    found = draft()
    assert found.shown(found.plan) is not found.shown(found.plan)
    assert found.last.held is None


def test_a_run_rewrites_each_plan_once_while_it_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[Plan]()

    def recorded(model: ir.Model, plan: Plan, target: Target) -> ir.Model:
        made.append(plan)
        return rewrite(model, plan, target)

    monkeypatch.setattr("edgeq.refine.draft.rewrite", recorded)
    draft()
    assert len(made) > 1
    assert all(one is not two for one, two in pairwise(made))
