"""What was rounded is not rounded again for a draft that leaves it as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import observe
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.progress import Clock, Silent
from edgeq.refine.draft import Draft
from edgeq.refine.gate import Gate
from edgeq.refine.round_weights import round_weights
from edgeq.rewrite.pipeline import in_floats
from edgeq.schema.grids import grid_plan
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Step, Task
from tests.graph_text import eager, net, weights

X = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)


class Told(Silent):
    """Keeps the names of what was done."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def start(self, task: str, total: int | None) -> None:  # noqa: ARG002  # its name is part of the protocol
        self.names.append(task)


def model() -> ir.Model:
    text = "[one] a = Gemm(x, u, b) r = Relu(a) [two] c = Gemm(r, v, b) s = Relu(c) [three] y = Gemm(s, w, b)"
    return net(
        text,
        inputs="float[N, 12] x",
        constants={"u": weights(12, 12), "v": weights(12, 12, seed=1), "w": weights(12, 12, seed=2), "b": weights(12)},
    )


def start() -> tuple[Draft, Dataset]:
    float_model = model()
    task = Task(float_model, "m", eager(), Recipe(), {})
    data = open_dataset({"x": X}, input_specs(float_model))
    statistics = observe(float_model, values_to_observe(float_model, task.target, task.recipe), data)
    return Draft(task, float_model, make_plan(float_model, statistics, task.target, task.recipe, MadeFrom("m", "d", "s", "none"))), data


def rounded(draft: Draft, data: Dataset) -> tuple[Plan, list[str]]:
    """The plan, and the names of what was done."""
    told = Told()
    return round_weights(draft, data, Gate(Step("start", draft.plan), None, draft.emulated, Clock()), told).plan, told.names


def alone(draft: Draft) -> Draft:
    return replace(draft, roundings={})


def test_the_same_question_is_answered_without_data() -> None:
    draft, data = start()
    first, told = rounded(draft, data)
    again, later = rounded(draft, data)
    assert "second moments" in told
    assert "second moments" not in later
    assert first == again


@pytest.mark.parametrize("value", ["x", "r"])
def test_a_layer_whose_input_has_another_grid_is_rounded_again(value: str) -> None:
    draft, data = start()
    first, _ = rounded(draft, data)
    own = draft.plan.grids[value].params
    wider = grid_plan(replace(own, scale=np.float32(own.scale * 4)), "test", "wider")
    other = draft.with_plan(draft.plan.with_grids({**draft.plan.grids, value: wider}))
    found, told = rounded(other, data)
    assert "second moments" in told
    assert found == rounded(alone(other), data)[0]
    reader, others = ("one", {"two", "three"}) if value == "x" else ("two", {"one", "three"})
    assert found.weights[f"{reader}:1"] != first.weights[f"{reader}:1"]
    assert all(found.weights[f"{name}:1"] == first.weights[f"{name}:1"] for name in others)


def test_layers_around_scaled_channels_are_rounded_again() -> None:
    draft, data = start()
    first, _ = rounded(draft, data)
    exponents = {"a": (8,) * 12, "r": (8,) * 12}
    plan = draft.plan.with_equalization(exponents)
    other = replace(draft, model=in_floats(draft.task.model, plan), plan=plan)
    found, _ = rounded(other, data)
    assert found == rounded(alone(other), data)[0]
    assert found.weights["two:1"] != first.weights["two:1"]
    assert found.weights["three:1"] == first.weights["three:1"]
