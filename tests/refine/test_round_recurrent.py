"""Weights of recurrent layers, rounded with the data in view: nearer to float in both forms, and
none where the data cannot tell.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import observe
from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.progress import Silent
from edgeq.refine.draft import Draft
from edgeq.refine.round_recurrent import round_recurrent
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.schema.task import Task
from tests.graph_text import Constants, net, weights

HIDDEN, WIDTH = 64, 64
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
#: inputs that move together, as those of real layers do
MIX = np.random.default_rng(9).normal(size=(6, WIDTH)).astype(np.float32)
DATA = {"x": (np.random.default_rng(1).normal(size=(24, 12, 1, 6)) @ MIX + 0.05).astype(np.float32)}


def layer(kind: str, attributes: str = "", directions: int = 1) -> ir.Model:
    size = GATES[kind] * HIDDEN
    constants: Constants = {"w": weights(directions, size, WIDTH) / 4, "r": weights(directions, size, HIDDEN, seed=1)}
    return net(f"[op] y, h = {kind}<hidden_size = {HIDDEN}{attributes}>(x, w, r)", inputs=f"float[12, 1, {WIDTH}] x", constants=constants)


def drafted(model: ir.Model, recipe: Recipe) -> Draft:
    target = load_target("cpu").with_standard_operators() if recipe.standard_operators else load_target("cpu")
    task = Task(model, "", target, recipe, {})
    data = open_dataset(DATA, input_specs(model))
    seen = observe(model, values_to_observe(model, target, recipe), data)
    return Draft.of(task, make_plan(model, seen, target, recipe, MadeFrom("", "", "")))


def noise(draft: Draft, plan: Plan) -> float:
    data, wanted, got = open_dataset(DATA, input_specs(draft.task.model)), [], []
    known = KnownOutputs(draft.task.model, threads=1)
    with open_session(draft.emulated(plan), threads=1) as session:
        for batch in data.batches(1):
            wanted.append(known.of(batch)[0])
            got.append(session.run(batch.feeds)[0])
    error: F32 = np.concatenate(got) - np.concatenate(wanted)
    return float(np.mean(error**2))


@pytest.mark.parametrize(
    ("kind", "attributes", "directions", "standard"),
    [
        ("LSTM", "", 1, False),
        ("LSTM", ', direction = "bidirectional"', 2, False),
        ("LSTM", "", 1, True),
        ("GRU", ', direction = "bidirectional"', 2, False),
        ("GRU", ", linear_before_reset = 1", 1, False),
        ("RNN", "", 1, False),
    ],
)
def test_the_layer_is_nearer_to_float(kind: str, attributes: str, directions: int, standard: bool) -> None:
    draft = drafted(layer(kind, attributes, directions), Recipe(standard_operators=standard))
    data = open_dataset(DATA, input_specs(draft.task.model))
    plan = round_recurrent(draft, data, Silent())
    kept = plan.weights if kind == "LSTM" and not standard else plan.stored
    assert sorted(kept) == ["op:1", "op:2"]
    assert all(one.codes is not None for one in kept.values())
    assert noise(draft, plan) < 0.8 * noise(draft, draft.plan)
    assert round_recurrent(draft, data, Silent()).to_json() == plan.to_json()


def test_integer_kernels_still_do_not_saturate_without_vnni() -> None:
    draft = drafted(layer("LSTM"), Recipe())
    plan = round_recurrent(draft, open_dataset(DATA, input_specs(draft.task.model)), Silent())
    for one in plan.weights.values():
        codes = np.asarray(one.codes, np.int64).reshape(4 * HIDDEN, -1)
        first, second = codes[:, :-1:2], codes[:, 1::2]
        assert np.abs(np.where(first * second > 0, first + second, 0)).max() <= 128


def test_a_model_without_such_layers_keeps_its_plan() -> None:
    model = net("y = MatMul(x, w)", inputs=f"float[12, 1, {WIDTH}] x", constants={"w": weights(WIDTH, 4)})
    draft = drafted(model, Recipe())
    assert round_recurrent(draft, open_dataset(DATA, input_specs(model)), Silent()) is draft.plan
