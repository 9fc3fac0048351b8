"""What is found of a constant is found once, and again for other numbers or another key."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.graph.find_layer import layer_of
from edgeq.planning import weights
from edgeq.planning.remembered import remembered
from edgeq.planning.weights import weight_grid
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.changed import changed
from tests.graph_text import net


def held(array: np.ndarray) -> ir.Value:
    value = ir.Value(name="w")
    value.const_value = ir.tensor(array)
    return value


def test_copies_of_a_model_share_what_was_found() -> None:
    model = net("y = MatMul(x, w)", inputs="float[1, 4] x", constants={"w": np.eye(4)})
    first, copy = (one.graph.node(0).inputs[1] for one in (model, model.clone()))
    made = []
    for value in (first, copy, first):
        assert remembered(value, "key", lambda: made.append(0) or len(made)) == 1
    assert remembered(copy, "another key", lambda: 7) == 7
    copy.const_value = ir.tensor(np.ones((4, 4), np.float32))
    assert remembered(copy, "key", lambda: 8) == 8


def test_nothing_is_kept_for_longer_than_the_numbers() -> None:
    class Found:
        alive = 0

        def __init__(self) -> None:
            Found.alive += 1

        def __del__(self) -> None:
            Found.alive -= 1

    value = held(np.ones(3, np.float32))
    remembered(value, "key", Found)
    assert Found.alive == 1
    del value
    gc.collect()
    assert Found.alive == 0


def test_what_is_no_initializer_is_found_each_time() -> None:
    found = iter(range(2))
    assert [remembered(None, "key", lambda: next(found)) for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("other", ["recipe", "target", "weight"])
def test_a_weight_is_searched_once_a_form(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    search = weights.free_scales
    monkeypatch.setattr(weights, "free_scales", lambda *args: searches.append(0) or search(*args))
    target, recipe = load_target("cpu"), Recipe()
    model = net("y = MatMul(x, w)", inputs="float[1, 4] x", constants={"w": np.arange(16.0).reshape(4, 4)})
    node = model.graph.node(0)
    layer, kernel = layer_of(node), target.kernel_of("MatMul")
    assert layer is not None
    assert kernel is not None
    plans = [weight_grid(one.graph.node(0), kernel, layer, {}, target, recipe) for one in (model, model.clone())]
    assert len(searches) == 1
    assert plans[0] == plans[1]
    if other == "recipe":
        recipe = changed(recipe, weights="per_tensor")
    elif other == "target":
        target = changed(target, weights=changed(target.weights, pair_limit=None))
    else:
        node.inputs[1].const_value = ir.tensor(np.ones((4, 4), np.float32))  # type: ignore[union-attr]
    other = weight_grid(node, kernel, replace(layer), {}, target, recipe)
    assert len(searches) == 2
    assert changed == "target" or other != plans[0]
