"""check_fits: a plan for another model, or one changed by hand, is refused before anything is
rewritten.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.errors import BadPlan
from edgeq.graph.signature import input_specs
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.rewrite.check_plan import check_fits
from edgeq.rewrite.pipeline import rewrite
from edgeq.schema.grids import GridPlan
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from tests.changed import changed
from tests.graph_text import eager, net, weights

TARGET = eager()
BODY = (
    "[c1] a = Conv(x, w, b) [r1] r = Relu(a) [add] s = Add(r, r) [r2] t = Relu(s) [r3] q = Relu(r) [c2] d = Conv(t, w) [sum] y = Add(d, q)"
)


def model_and_plan() -> tuple[ir.Model, Plan]:
    model = net(BODY, constants={"w": weights(8, 8, 1, 1), "b": weights(8)})
    data = open_dataset({"x": np.random.default_rng(0).normal(size=(2, 8, 16, 16)).astype(np.float32)}, input_specs(model))
    recipe = Recipe()
    plan = make_plan(model, observe(model, values_to_observe(model, TARGET, recipe), data), TARGET, recipe, MadeFrom("", "", ""))
    return model, plan.with_biases({"c1": (0.0,) * 8})


MODEL, PLAN = model_and_plan()


def grids(**more: GridPlan) -> Plan:
    return PLAN.with_grids({**PLAN.grids, **more})


def weight(**change: object) -> Plan:
    """The plan with another grid for the first weight; what pydantic would refuse is another
    test's.
    """
    return changed(PLAN, weights={**PLAN.weights, "c1:1": changed(PLAN.weights["c1:1"], **change)})


def move(old: str, new: str) -> Plan:
    """The first weight's grid under another key."""
    return changed(PLAN, weights={(new if key == old else key): grid for key, grid in PLAN.weights.items()})


def place(name: str, **change: str) -> Plan:
    return changed(PLAN, nodes={**PLAN.nodes, name: changed(PLAN.nodes[name], **change)})


def test_its_own_plan_fits() -> None:
    check_fits(MODEL, PLAN)
    assert PLAN.nodes["r1"].runs == "absorbed"


DAMAGE: list[tuple[str, Callable[[], Plan]]] = [
    ("node c1", lambda: place("c1", op_type="Gemm")),
    ("node nobody", lambda: changed(PLAN, nodes={**PLAN.nodes, "nobody": PLAN.nodes["c1"]})),
    ("node add", lambda: place("add", runs="absorbed")),
    ("node r3", lambda: place("r3", runs="absorbed")),
    ("value nothing", lambda: grids(nothing=PLAN.grids["r"])),
    ("weight nobody:1", lambda: move("c1:1", "nobody:1")),
    ("weight c1:7", lambda: move("c1:1", "c1:7")),
    ("weight c1:-1", lambda: move("c1:1", "c1:-1")),
    ("weight c1:0", lambda: move("c1:1", "c1:0")),
    ("weight c1:one", lambda: move("c1:1", "c1:one")),
    ("weight c1:1", lambda: weight(scale=(0.5,) * 3, zero_point=(0,) * 3)),
    ("weight c1:1", lambda: weight(axis=4)),
    ("weight c1:1", lambda: weight(axis=-1)),
    ("weight c1:1", lambda: weight(codes=np.zeros(3, np.int8))),
    ("node c1", lambda: PLAN.with_biases({"c1": (1.0,) * 7})),
    ("node c2", lambda: PLAN.with_biases({"c2": (1.0,) * 8})),
    ("node r1", lambda: PLAN.with_biases({"r1": (1.0,)})),
    ("node nobody", lambda: PLAN.with_biases({"nobody": (1.0,)})),
]


@pytest.mark.parametrize(("where", "damaged"), DAMAGE)
def test_what_does_not_fit_is_named(where: str, damaged: Callable[[], Plan]) -> None:
    with pytest.raises(BadPlan) as caught:
        rewrite(MODEL, damaged(), TARGET)
    assert caught.value.where == where
