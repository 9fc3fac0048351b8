"""Layers fitted one after the other: each makes up for errors before it, where other samples
confirm that this helps.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq import quantize
from edgeq.calibration.observe import observe
from edgeq.calibration.stepwise import Stepwise
from edgeq.data.open import open_dataset
from edgeq.graph.read import nodes
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32, F64
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.refine.step_by_step.round_in_sequence import in_sequence
from edgeq.refine.step_by_step.sequence_goal import Rows, goal, together
from edgeq.refine.weighted import weighted_layers
from edgeq.report.codebooks import planned_weights
from edgeq.report.quantized import Quantized
from edgeq.rewrite.pipeline import rewrite
from edgeq.rewrite.prepare import prepare
from edgeq.runtimes.ort import open_session
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.changed import changed
from tests.graph_text import eager, net, weights

#: worth any conversion: these tests are about weights
CPU = changed(load_target("cpu"), boundary=eager().boundary)
CONVS = "[one] a = Conv(x, w, b) r = Relu(a) [two] c = Conv(r, v, d) s = Relu(c) [three] y = Conv(s, u, e)"
IMAGES = np.random.default_rng(0).normal(size=(32, 8, 8, 8)).astype(np.float32)


def convs() -> ir.Model:
    one = {"w": weights(32, 8, 3, 3), "b": weights(32)}
    two = {"v": weights(32, 32, 1, 1, seed=1), "d": weights(32, seed=2)}
    return net(CONVS, inputs="float[N, 8, 8, 8] x", constants=one | two | {"u": weights(32, 32, 1, 1, seed=3), "e": weights(32, seed=4)})


#: what runs through them differs in size from sample to sample
TOKENS = (np.random.default_rng(0).normal(size=(40, 32, 32)) * np.geomspace(0.01, 10, 40)[:, None, None]).astype(np.float32)


def products() -> ir.Model:
    body = "[one] a = MatMul(x, w) r = Relu(a) [two] c = MatMul(r, v) s = Relu(c) [three] y = MatMul(s, u)"
    constants = {"w": weights(64, 32).T.copy(), "v": weights(64, 64, seed=1).T.copy(), "u": weights(64, 64, seed=2).T.copy()}
    return net(body, inputs="float[N, 32, 32] x", constants=constants)


def made(model: ir.Model, x: F32, bits: int = 3) -> Quantized:
    recipe = Recipe(codebook=CodebookWish.model_validate({"bits": bits}), hold_out=False)
    return quantize(model, {"x": x}, target=CPU, recipe=recipe, prove=False)


def error(model: ir.Model, int8: ir.Model, x: F32) -> float:
    want, got = open_session(model).run({"x": x})[0], open_session(int8).run({"x": x})[0]
    return float(np.square(want - got).sum() / np.square(want).sum())


def rows(x: F64, seen: F64) -> Rows:
    """x, seen [R, K]."""
    count, rest = len(x), x - seen
    return Rows((seen.T @ seen / count)[None], (rest.T @ seen / count)[None], seen.mean(0)[None], rest.mean(0)[None], count)


def inputs(count: int, size: int, seed: int) -> F64:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 4)) @ rng.normal(size=(4, size)) + 0.1 * rng.normal(size=(count, size))


# ------------------------------------------------------------------ the goal


def test_an_error_that_the_inputs_tell_of_is_taken_back() -> None:
    """The integer model hands over a mixture of its channels: the goal undoes it."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4000, 6))
    mixed = x @ (np.eye(6) + 0.2 * rng.normal(size=(6, 6)))
    weight = weights(3, 6)[None]
    aim = goal(weight, (rows(x[::2], mixed[::2]), rows(x[1::2], mixed[1::2])))
    before, after = (np.square(x @ weight[0].T - mixed @ one[0].T).mean() for one in (weight, aim))
    assert after < 0.05 * before


def test_without_an_error_the_weight_is_the_goal() -> None:
    x = inputs(200, 8, 0)
    half = rows(x, x)
    assert np.array_equal(goal(weights(3, 8)[None], (half, half)), weights(3, 8)[None])


def test_what_only_one_half_of_the_samples_shows_is_not_followed() -> None:
    """Each half could explain some of its own noise, and neither helps the other."""
    worse = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x, fresh = rng.normal(size=(800, 48)), rng.normal(size=(4000, 48))
        seen, other = x + 0.1 * rng.normal(size=x.shape), fresh + 0.1 * rng.normal(size=fresh.shape)
        weight = weights(4, 48, seed=seed)[None]
        aim = goal(weight, (rows(x[::2], seen[::2]), rows(x[1::2], seen[1::2])))
        before, after = (np.square(fresh @ weight[0].T - other @ one[0].T).mean() for one in (weight, aim))
        worse.append(after / before)
    assert max(worse) < 1.05


def test_few_rows_tell_nothing() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, 6))
    seen, weight = x * 1.2, weights(3, 6)[None]
    assert np.array_equal(goal(weight, (rows(x[:45], seen[:45]), rows(x[45:], seen[45:]))), weight)
    more = np.concatenate([x, x])
    assert not np.array_equal(goal(weight, (rows(x, seen), rows(more, more * 1.2))), weight)


def test_halves_add_up() -> None:
    x, seen = inputs(90, 5, 0), inputs(90, 5, 1)
    both, parts = rows(x, seen), together((rows(x[:30], seen[:30]), rows(x[30:], seen[30:])))
    assert parts.count == 90
    for one, other in ((both.moment, parts.moment), (both.cross, parts.cross), (both.mean, parts.mean)):
        np.testing.assert_allclose(one, other)
    centred = both.centred()
    np.testing.assert_allclose(centred.moment[0], np.cov(seen.T, bias=True), atol=1e-12)


def test_inputs_that_are_always_zero_leave_the_weight() -> None:
    none = rows(np.zeros((10, 4)), np.zeros((10, 4)))
    assert np.array_equal(goal(weights(2, 4)[None], (none, none)), weights(2, 4)[None])


# ------------------------------------------------------------------ models


@pytest.mark.parametrize("kind", ["convolutions", "products, the first with a run-time grid"])
def test_in_sequence_the_outputs_are_nearer_than_layer_by_layer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = (convs(), IMAGES) if kind == "convolutions" else (products(), TOKENS)
    after = made(model, x)
    monkeypatch.setattr("edgeq.refine.codebooks.steps.held_samples", lambda *_: 0)
    before = made(model, x)
    assert {done.plan.nodes["one"].runs for done in (before, after)} == {"int8" if kind == "convolutions" else "dynamic"}
    assert error(model, after.model, x) < 0.85 * error(model, before.model, x)
    assert codebooks(after) == codebooks(before)


def rounded(model: ir.Model, x: F32, **keys: object) -> Quantized:
    return quantize(model, {"x": x}, target=CPU, recipe=Recipe.model_validate({"weight_bits": 4, "hold_out": False, **keys}), prove=False)


@pytest.mark.parametrize("kind", ["convolutions", "products, the first with a run-time grid"])
def test_codes_without_a_table_are_nearer_in_sequence_too(kind: str) -> None:
    model, x = (convs(), IMAGES) if kind == "convolutions" else (products(), TOKENS)
    apart, after = (rounded(model, x, rounding=how) for how in ("apart", "in_sequence"))
    fresh = np.roll(x, 1, axis=-1)
    assert error(model, after.model, fresh) < 0.9 * error(model, apart.model, fresh)
    assert codebooks(after) == []


def test_by_default_only_training_begins_with_a_sequence() -> None:
    assert not Recipe().rounds_in_sequence
    assert Recipe.model_validate({"finetune": {"epochs": 1}}).rounds_in_sequence
    assert not Recipe.model_validate({"finetune": {"epochs": 1}, "rounding": "apart"}).rounds_in_sequence


def codebooks(done: Quantized) -> list[tuple[str, int]]:
    return [(layer.node, layer.bits) for layer in done.report.codebooks]


@pytest.mark.parametrize("kind", ["convolutions", "products, the first with a run-time grid"])
def test_the_file_holds_what_was_fitted(kind: str) -> None:
    model, x = (convs(), IMAGES) if kind == "convolutions" else (products(), TOKENS)
    done = made(model, x)
    told = planned_weights(prepare(model, opset=done.plan.opset).model, done.plan)
    assert len(told) == 3
    assert all(book.bits == 3 for _, _, _, book, _ in told.values())
    assert error(model, done.model, x) < 0.1


def test_what_is_measured_once_serves_a_layer_further_down() -> None:
    """The value is quantized at run time for `one`; `three`, which comes after a layer behind
    `one`, needs it again.
    """
    body = "[one] a = MatMul(x, w) e = Erf(a) [two] c = MatMul(e, v) [three] d = MatMul(x, u) y = Add(c, d)"
    constants = {"w": weights(64, 32).T.copy(), "v": weights(64, 64, seed=1).T.copy(), "u": weights(64, 32, seed=2).T.copy()}
    model = net(body, inputs="float[N, 32, 32] x", constants=constants)
    done = made(model, TOKENS, 4)
    assert [done.plan.nodes[name].runs for name in ("one", "three")] == ["dynamic", "dynamic"]
    assert len(codebooks(done)) == 3
    assert error(model, done.model, TOKENS) < 0.05


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (ir.to_proto(made(convs(), IMAGES).model).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_the_plan_repeats_the_model() -> None:
    done = made(convs(), IMAGES)
    again = rewrite(prepare(convs(), opset=done.plan.opset).model, done.plan, CPU)
    session, other = open_session(done.model), open_session(again)
    assert np.array_equal(session.run({"x": IMAGES})[0], other.run({"x": IMAGES})[0])


def test_a_shared_weight_is_not_fitted_twice() -> None:
    body = "[one] a = MatMul(x, w) r = Relu(a) [two] c = MatMul(r, w) [three] y = MatMul(c, v)"
    model = net(body, inputs="float[N, 16] x", constants={"w": weights(16, 16), "v": weights(16, 16, seed=1)})
    target, recipe = eager(), Recipe()
    data = open_dataset({"x": np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)}, input_specs(model))
    statistics = observe(model, values_to_observe(model, target, recipe), data)
    layers = weighted_layers(model, make_plan(model, statistics, target, recipe, MadeFrom("", "", "")), target)
    assert [one.layer.node for one in layers] == ["one", "two", "three"]
    assert [one.layer.node for one in in_sequence(model, layers)] == ["three"]


def test_a_value_is_reached_whether_it_is_held_or_not() -> None:
    model = convs()
    found = {str(node.name): node for node in nodes(model)}
    steps = Stepwise(model, [{"x": IMAGES[:1]}])
    source = found["two"].inputs[0]
    assert source is not None
    first = steps.reach(source)[0]
    assert np.array_equal(first, steps.reach(source)[0])
    assert first.min() == 0 < first.max()
