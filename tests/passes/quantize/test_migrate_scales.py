"""MigrateScales: the function stays, other readers see the old value, a normalization takes the
factors where it can.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.errors import BadPlan
from edgeq.passes.quantize.migrate_scales import MigrateScales, folds
from edgeq.rewrite.check_plan import check_factors
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import Plan
from tests.graph_text import lines, net, weights

CONSTANTS = {"g": weights(4, seed=2), "b": weights(4, seed=3), "w": weights(4, 3), "v": weights(4, 3, seed=1)}
LONE = "n = LayerNormalization(x, g, b) y = MatMul(n, w) z = MatMul(n, v)"
RESIDUAL = "n = LayerNormalization(x, g, b) y = MatMul(n, w) z = Add(x, n)"
FACTORS = {"n": (1.0, 8.0, 1.0, 2.0)}
FEED = {"x": np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)}


def model_of(body: str) -> ir.Model:
    return net(body, inputs="float[2, 5, 4] x", outputs="float y, float z", constants=CONSTANTS)


@pytest.mark.parametrize("body", [LONE, RESIDUAL, RESIDUAL.replace("n = LayerNormalization(x, g, b)", "n = Tanh(x)")])
def test_the_function_stays(body: str) -> None:
    model = model_of(body)
    wanted = open_session(model, optimize="off").run(FEED)
    step = MigrateScales(FACTORS)
    assert step(model).modified
    for want, got in zip(wanted, open_session(model, optimize="off").run(FEED), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)
    assert not step(model).modified


def test_a_normalization_that_only_they_read_divides_on_the_way() -> None:
    model = model_of(LONE)
    MigrateScales(FACTORS)(model)
    assert [line.split(" = ")[1].split("(")[0] for line in lines(model)] == ["LayerNormalization", "MatMul", "MatMul"]
    assert folds(model_of(LONE).graph[0].outputs[0])
    assert not folds(model_of(RESIDUAL).graph[0].outputs[0])


def test_other_readers_see_the_old_value() -> None:
    model = model_of(RESIDUAL)
    MigrateScales(FACTORS)(model)
    assert lines(model)[1:] == ["n_migrated = Mul(n, n_migrated_factor)", "y = MatMul(n_migrated, MatMul_1_migrated)", "z = Add(x, n)"]


def test_a_shared_weight_is_scaled_for_its_reader_alone() -> None:
    model = model_of("n = Tanh(x) m = Erf(x) y = MatMul(n, w) z = MatMul(m, w)")
    MigrateScales(FACTORS)(model)
    assert [node.inputs[1].name for node in model.graph if node.op_type == "MatMul" and node.inputs[1] is not None] == [
        "MatMul_2_migrated",
        "w",
    ]


@pytest.mark.parametrize("factors", [{"n": (1.0, 2.0)}, {"nobody": (1.0,) * 4}, {"n": (1.0, 1.0, 0.0, 1.0)}])
def test_a_plan_of_another_model_is_refused(factors: dict[str, tuple[float, ...]]) -> None:
    plan = Plan(
        model="", data="", target="cpu", recipe="", settings="", opset=None, nodes={}, grids={}, weights={}, factors=factors
    )  # fmt: skip
    with pytest.raises(BadPlan):
        check_factors(model_of(LONE), plan)
