"""Candidate plans: what goes float with the named nodes, what stays as the base plan has it, and
what the runtime makes of them.
"""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.data.open import open_dataset
from edgeq.graph.read import nodes
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_proto
from edgeq.proof.compare import compare_models
from edgeq.proof.proof import prove_placement
from edgeq.refine.draft import Draft
from edgeq.rewrite.lower import lower
from edgeq.rewrite.made_up_run import random_feeds
from edgeq.rewrite.pipeline import rewrite
from edgeq.rewrite.prepare import prepare
from edgeq.schema.plan import Plan, parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Task
from edgeq.search.candidates import Candidate, candidate_plan, integer_layers, integer_share, weights_only
from edgeq.search.repair import parts
from edgeq.testing.pass_laws import interface, outputs
from tests.graph_text import net, weights
from tests.test_rewrite_laws import ALL, TARGET, float_model, plan_for

X = {"x": np.random.default_rng(1).normal(size=(16, 8, 16, 16)).astype(np.float32)}
PAD = "<pads = [1, 1, 1, 1]>"
CHAIN = f"a = Conv{PAD}(x, w)  r = Relu(a)  b = Conv{PAD}(r, v)  s = Relu(b)  c = Conv{PAD}(s, w)  t = Add(c, r)  y = Conv{PAD}(t, v)"


def draft_of(model: ir.Model, plan: Plan, target: Target) -> Draft:
    return Draft.of(Task(model, "", target, Recipe(), {}), plan)


@pytest.fixture(scope="module")
def base() -> Draft:
    model, target = net(CHAIN, constants={"w": weights(8, 8, 3, 3), "v": weights(8, 8, 3, 3, seed=1)}), load_target("cpu")
    plan = quantize(model, X, prove=False).plan
    prepared = prepare(load_proto(model).model, shapes={}, opset=None, min_opset=target.min_opset, max_opset=target.max_opset).model
    lower(prepared, target)
    return draft_of(prepared, plan, target)


def fidelity(base: Draft, candidate: Candidate) -> float:
    plan = candidate_plan(base, candidate)
    assert plan is not None
    data = open_dataset(X, input_specs(base.task.model))
    return compare_models(base.task.model, rewrite(base.task.model, plan, base.task.target), data).outputs[0].sqnr_db


def test_no_change_is_the_base_plan(base: Draft) -> None:
    assert candidate_plan(base, Candidate("nothing")) is base.plan
    assert integer_layers(base) == ("Conv_0", "Conv_2", "Conv_4", "Conv_6")
    assert integer_share(base.task.model, base.plan) == 100.0


def test_a_layer_goes_float_with_what_stands_alone_beside_it(base: Draft) -> None:
    plan = candidate_plan(base, Candidate("one", ("Conv_2",)))
    assert plan is not None
    runs = {name: node.runs for name, node in plan.nodes.items()}
    assert (runs["Conv_2"], runs["Conv_0"], runs["Conv_4"]) == ("float", "int8", "int8")
    assert plan.nodes["Conv_2"].because == "searched"
    assert plan.weights.keys() == base.plan.weights.keys() - {"Conv_2:1"}
    assert plan.stored == {}
    assert all(plan.grids[name].scale == base.plan.grids[name].scale for name in plan.grids)
    assert integer_share(base.task.model, plan) == 75.0
    assert not any("\\A" in node.reason for node in plan.nodes.values())  # how the search names nodes is nobody's reason


def test_the_words_of_the_base_plan_change_no_candidate(base: Draft) -> None:
    """What a node is kept float for is told by `because`, not by what its reason begins with."""
    text = re.sub(r'"reason": ".*?"', '"reason": "an embedding table"', base.plan.to_json())
    for candidate in (Candidate("one", ("Conv_2",), True), weights_only(base)):
        plans = [candidate_plan(base.with_plan(plan), candidate) for plan in (base.plan, parse_plan(text, "here"))]
        made = [ir.to_proto(rewrite(base.task.model, plan, base.task.target)).SerializeToString() for plan in plans if plan is not None]
        assert len(made) == 2
        assert made[0] == made[1]


def test_the_runtime_runs_it_as_the_plan_says(base: Draft) -> None:
    """Not so without HoldFloat: onnxruntime quantizes a float weight between quantized activations
    by itself.
    """
    for stored in (False, True):
        plan = candidate_plan(base, Candidate("one", ("Conv_2",), stored))
        assert plan is not None
        found = prove_placement(rewrite(base.task.model, plan, base.task.target), base.task.model)
        runs = {node.name: node.runs_as for node in found.nodes if node.macs}
        assert runs == {"Conv_0": "int8", "Conv_2": "float", "Conv_4": "int8", "Conv_6": "int8"}


def test_float_everywhere_is_the_float_model(base: Draft) -> None:
    every = tuple(sorted(base.plan.nodes))
    assert fidelity(base, Candidate("all", every)) > 100
    stored = candidate_plan(base, weights_only(base))
    assert stored is not None
    assert stored.grids == {}
    assert stored.weights == {}
    assert stored.stored == base.plan.weights
    assert fidelity(base, Candidate("nothing")) < fidelity(base, weights_only(base)) < 80


def test_storing_makes_the_file_smaller_and_float_weights_do_not(base: Draft) -> None:
    sizes = {}
    for stored in (False, True):
        plan = candidate_plan(base, Candidate("two", ("Conv_2", "Conv_4"), stored))
        assert plan is not None
        sizes[stored] = ir.to_proto(rewrite(base.task.model, plan, base.task.target)).ByteSize()
    assert sizes[False] - sizes[True] > 2 * 8 * 8 * 9 * 2


def test_parts_are_layers_with_their_readers_and_the_ends(base: Draft) -> None:
    assert set(parts(base)) == {("Conv_0", "Conv_2", "Conv_6"), ("Conv_2", "Conv_4"), ("Conv_4", "Conv_6"), ("Conv_6",), ("Conv_0",)}


def test_a_name_that_is_a_pattern_names_one_node() -> None:
    model = net(f"[Conv] a = Conv{PAD}(x, w)  [b] y = Conv{PAD}(a, w)", constants={"w": weights(8, 8, 3, 3)})
    plan = quantize(model, X, prove=False).plan
    changed = candidate_plan(draft_of(load_proto(model).model, plan, load_target("cpu")), Candidate("one", ("Conv",)))
    assert changed is not None
    assert {name: node.runs for name, node in changed.nodes.items()} == {"Conv": "float", "b": "int8"}


@pytest.mark.parametrize("name", ALL)
def test_everything_in_float_keeps_the_laws_of_the_rewrite(name: str) -> None:
    """On the models that the passes are held to: a valid model with the same interface and nearly
    the same values, bodies included.
    """
    start = float_model(name)
    feeds = random_feeds(start, size=4)
    base = draft_of(start, plan_for(start, feeds), TARGET)
    plan = candidate_plan(base, weights_only(base))
    assert plan is not None
    model = rewrite(start, plan, TARGET)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert interface(model) == interface(start)
    assert not any(node.op_type == "QuantizeLinear" for node in nodes(model))
    for want, got in zip(outputs(start, feeds), outputs(model, feeds, optimize="all"), strict=True):
        largest = np.abs(want.astype(np.float64)).max(initial=0.0)
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=0, atol=0.1 * largest + 1e-6)
