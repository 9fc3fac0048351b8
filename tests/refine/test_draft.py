"""A draft: the float model as its plan sees it, its layers and tables, and the integer model."""

from __future__ import annotations

import numpy as np

from edgeq.api import quantize
from edgeq.refine.draft import Draft
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.recipe import Recipe
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
