"""Effort best gives parts of a model 16 bits where its target has kernels, and before float."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.data.open import open_dataset
from edgeq.errors import BadRecipe
from edgeq.graph.signature import input_specs
from edgeq.integers.legality.check import broken_facts
from edgeq.io.model_source import load
from edgeq.numerics.arrays import AnyArray
from edgeq.refine.draft import Draft
from edgeq.report.quantized import Quantized
from edgeq.rewrite.set_up import set_up
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.target import load_target
from edgeq.search.candidates import Candidate
from edgeq.search.points import Goal, Point
from edgeq.search.widening import Widening, wide_share
from tests.graph_text import net, weights

PAD = "<pads = [1, 1, 1, 1]>"
BODY = f"""[c1] a = Conv{PAD}(x, w1, b1) [r] b = Relu(a) [c2] c = Conv{PAD}(b, w2) [add] e = Add(b, c) [c3] d = Conv{PAD}(e, w3)
[p] f = GlobalAveragePool(d) [fl] i = Flatten(f) [fc] y = Gemm(i, w4)"""
ALL = {"c1", "c2", "add", "c3", "p", "fl", "fc"}


def model(bias: float = 0.5) -> ir.Model:
    constants = {
        "w1": weights(6, 4, 3, 3),
        "w2": weights(6, 6, 3, 3, seed=1),
        "w3": weights(8, 6, 3, 3, seed=3),
        "w4": weights(8, 7, seed=2),
    }
    return net(BODY, inputs="float[N, 4, 8, 8] x", constants=constants | {"b1": np.full(6, bias, np.float32)})


def data() -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(0).normal(size=(32, 4, 8, 8)).astype(np.float32)}


def made(target: str = "mcu_tflite", **recipe: object) -> Quantized:
    return quantize(model(), data(), target=target, recipe=Recipe.model_validate(recipe))


def sqnr(found: Quantized) -> float:
    search = found.report.search
    assert search is not None
    return next(point.sqnr_db for point in search.points if point.chosen)


def wide(plan: Plan) -> set[str]:
    return {name for name, node in plan.nodes.items() if node.bits == 16}


@cache
def searched(target: str, floor: float | None) -> Quantized:
    floors = Floors() if floor is None else Floors(min_sqnr=floor)
    return made(target, effort="best", floors=floors)


@cache
def reached(target: str) -> tuple[float, float]:
    """SQNR of the default, and the most that 16 bits reach: a floor beyond both shows them."""
    search = searched(target, 300.0).report.search
    assert search is not None
    found = sorted(point.sqnr_db for point in search.points)
    return found[0], found[-1]


TARGETS = pytest.mark.parametrize("target", ["mcu_tflite", "qnn_htp"])


@TARGETS
def test_some_nodes_get_16_bits_where_8_miss_the_floor(target: str) -> None:
    least, most = (sqnr(searched(target, None)), reached(target)[1])
    assert most > least + 6
    floor = least + 0.5 * (most - least)
    found = searched(target, floor)
    assert found.report.gate == "passed"
    assert sqnr(found) >= floor
    assert wide(found.plan)
    assert not any(node.runs == "float" for node in found.plan.nodes.values())  # 16 bits come before float
    assert not broken_facts(found.model, load_target(target))


@TARGETS
def test_none_gets_them_where_8_bits_hold_the_floor(target: str) -> None:
    assert not wide(searched(target, None).plan)
    assert not wide(searched(target, sqnr(searched(target, None)) - 1).plan)


def test_fewer_than_all_are_enough_for_little_more() -> None:
    least, most = (sqnr(searched("mcu_tflite", None)), reached("mcu_tflite")[1])
    few = searched("mcu_tflite", least + 0.2 * (most - least))
    assert 0 < len(wide(few.plan)) < len(ALL)
    assert 0 < wide_share(few.plan.grids) < 100


def test_the_plan_alone_repeats_it() -> None:
    least, most = (sqnr(searched("mcu_tflite", None)), reached("mcu_tflite")[1])
    found = searched("mcu_tflite", least + 0.5 * (most - least))
    again = quantize(model(), plan=found.plan, target="mcu_tflite", prove=False)
    assert ir.to_proto(again.model).SerializeToString() == ir.to_proto(found.model).SerializeToString()


def _widening(bias: float) -> Widening:
    recipe = Recipe.model_validate({"effort": "best", "floors": {"min_sqnr": 1.0}})
    target, float_model = load_target("mcu_tflite"), model(bias)
    setup = set_up(load(float_model), target, recipe, None, data())
    plan = quantize(model(bias), data(), target=target, recipe=Recipe(effort="fast", opset=21), prove=False).plan
    found = Widening.of(Draft.of(setup.task, plan), open_dataset(data(), input_specs(setup.task.model)))
    assert found is not None
    return found


def test_a_part_is_a_value_with_those_that_read_it() -> None:
    parts = _widening(0.5).parts
    assert ("add", "c1", "c2") in parts  # what the first layer makes, and its readers
    assert ("add", "c3") in parts
    assert set().union(*parts) >= {"c1", "c2", "add", "c3", "p", "fc"}


def test_weights_keep_their_codes_unless_a_bias_would_overflow() -> None:
    for bias, keeps in ((0.5, True), (3e5, False)):
        found = _widening(bias)
        plan = found.plan(["c1", "c2"])
        assert {"c1", "c2"} <= wide(plan)
        assert (plan.weights["c1:1"] == found.base.plan.weights["c1:1"]) == keeps
        assert plan.weights["c2:1"] == found.base.plan.weights["c2:1"]
        assert plan.weights["c3:1"] == found.base.plan.weights["c3:1"]
        assert plan.grids["d"] == found.base.plan.grids["d"]


def test_of_models_that_hold_the_floors_the_one_with_fewest_values_of_16_bits_is_chosen() -> None:
    def point(share: float, db: float) -> Point:
        return Point(Candidate("", wide=(str(share),)), db, None, None, 100.0, 1000, (), share)

    goal = Goal("accuracy", True, 20.0)
    assert goal.best([point(100.0, 40.0), point(20.0, 30.0), point(50.0, 35.0)]).wide_pct == 20.0


NOTHING = [("npu_int8", "accuracy", "integers only, of 8 bits"), ("mcu_tflite", "size", "objective size")]


@pytest.mark.parametrize(("target", "objective", "what"), NOTHING)
def test_what_has_nothing_to_compare_is_refused(target: str, objective: str, what: str) -> None:
    with pytest.raises(BadRecipe, match=what):
        made(target, effort="best", objective=objective)
