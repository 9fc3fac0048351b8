"""What runs as one float kernel is asked for where planning has a use for it, and a plan that knows
it keeps it whole: in the places of its nodes and in the model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.rewrite.float_kernels import note_float_kernels
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.fusion import noted_fusions
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from tests.graph_text import eager, net, weights

ERF = "[d] d = Div(c, root) [e] e = Erf(d) [a] a = Add(e, one) [m] m = Mul(c, a) [g] h = Mul(m, half)"
NORM = """[mean] mean = ReduceMean<axes = [1]>(c) [sub] sub = Sub(c, mean) [pow] pow = Pow(sub, two)
    [var] var = ReduceMean<axes = [1]>(pow) [add] add = Add(var, eps) [sqrt] sqrt = Sqrt(add) [div] div = Div(sub, sqrt)
    [mul] mul = Mul(div, gain) [last] h = Add(mul, shift)"""
C = {"root": 2**0.5, "one": 1.0, "half": 0.5, "two": 2.0, "eps": 1e-5, "gain": weights(8), "shift": weights(8, seed=1)}
RELU = "[r] h = Relu(c)"


def model_of(middle: str) -> ir.Model:
    body = f"c = Conv<pads = [1, 1, 1, 1]>(x, w) {middle} y = Conv<pads = [1, 1, 1, 1]>(h, w)"
    body = body.replace("ReduceMean<axes = [1]>", "ReduceMean<axes = [-1]>")
    return net(body, inputs="float[1, 8, 8, 8] x", constants={**C, "w": weights(8, 8, 3, 3)})


def plan_of(model: ir.Model) -> Plan:
    recipe, target = Recipe(rule="minmax"), eager()
    data = open_dataset({"x": np.random.default_rng(0).normal(size=(16, 8, 8, 8)).astype(np.float32)}, input_specs(model))
    return make_plan(model, observe(model, values_to_observe(model, target, recipe), data), target, recipe, MadeFrom("", "", ""))


def kernels_of(model: ir.Model, path: Path) -> list[str]:
    open_session(model, optimized_path=path).close()
    return [node.op_type for node in onnx.load(str(path)).graph.node]


@pytest.mark.parametrize(("middle", "kernel"), [(ERF, "Gelu"), (NORM, "LayerNormalization")])
def test_what_is_known_to_run_as_one_kernel_stays_whole(middle: str, kernel: str, tmp_path: Path) -> None:
    model = model_of(middle)
    alone = plan_of(model)
    assert alone.together == ()
    assert kernel not in kernels_of(rewrite(model, alone, eager()), tmp_path / "alone.onnx")
    note_float_kernels(model, eager())
    plan = plan_of(model)
    (group,) = plan.together
    assert {plan.nodes[name].runs for name in group} == {"float"}
    assert {plan.nodes[name].because for name in group} == {"obstacle", "fused"}
    assert kernel in kernels_of(rewrite(model, plan, eager()), tmp_path / "whole.onnx")
    assert all(place.runs == "int8" for place in plan.nodes.values() if place.op_type == "Conv")


def test_the_reason_names_the_kernel_and_the_node_that_must_be_float() -> None:
    model = model_of(ERF)
    note_float_kernels(model, eager())
    assert plan_of(model).nodes["m"].reason == "the runtime computes it together with Div in one float kernel (Gelu)"


def test_nobody_asks_where_every_node_has_an_integer_form_or_the_target_no_float() -> None:
    for model, target in ((model_of(RELU), load_target("cpu")), (model_of(ERF), load_target("mcu_tflite"))):
        note_float_kernels(model, target)
        assert noted_fusions(model) == ()


def test_an_add_before_a_normalization_is_free_where_the_fused_kernel_is_slow() -> None:
    body = "a = Add(x, r) [n] n = LayerNormalization(a, gain, shift) y = Add(n, shift)"
    model = net(body, inputs="float[1, 6, 8] x, float[1, 6, 8] r", constants=C)
    note_float_kernels(model, load_target("cpu"))
    assert [(one.kernel, len(one.nodes)) for one in noted_fusions(model)] == [("SkipLayerNormalization", 2)]
    data = open_dataset({name: np.ones((16, 6, 8), np.float32) for name in "xr"}, input_specs(model))
    recipe, target = Recipe(rule="minmax"), eager()
    plan = make_plan(model, observe(model, values_to_observe(model, target, recipe), data), target, recipe, MadeFrom("", "", ""))
    assert plan.nodes["Add_0"].because != "fused"
