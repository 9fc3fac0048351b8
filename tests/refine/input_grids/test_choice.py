"""choose_inputs: grids by what the layers behind them see; run-time grids and migrated scales where
they win; a plan that repeats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import Quantized, quantize
from edgeq.numerics.arrays import F32
from edgeq.passes.quantize.migrate_scales import migrated_name
from edgeq.proof.proof import prove_placement
from edgeq.refine.draft import Draft
from edgeq.refine.input_grids.candidates import outlier_factors
from edgeq.report.explain import explain
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import open_session
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.plan import parse_plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Task
from edgeq.search.candidates import Candidate, candidate_plan, integer_layers
from tests.changed import changed
from tests.graph_text import net, weights

CPU = load_target("cpu")
#: worth any conversion: these tests are about grids
EAGER = changed(CPU.boundary, integer_mac_worth_ns=1e6)
STATIC = changed(CPU, dynamic=None, boundary=EAGER)
#: what a transformer's layer looks like: an outlier channel behind a normalization, and a residual
#: that reads it too
BODY = "n = LayerNormalization(x, g, b) [one] a = MatMul(n, w) c = Add(a, d) e = Erf(c) [two] f = MatMul(e, v) y = Add(n, f)"


def block(outlier: float = 30.0) -> ir.Model:
    gain = np.ones(32, np.float32)
    gain[5] = outlier
    constants = {"g": gain, "b": weights(32), "w": weights(64, 32).T.copy(), "d": weights(64), "v": weights(32, 64, seed=4).T.copy()}
    return net(BODY, inputs="float[N, 8, 32] x", constants=constants)


X = np.random.default_rng(0).normal(size=(40, 8, 32)).astype(np.float32)


def made(model: ir.Model, x: F32 = X, target: Target = CPU, recipe: Recipe | None = None) -> Quantized:
    return quantize(model, {"x": x}, target=target, recipe=recipe or Recipe(), prove=False)


def error(model: ir.Model, int8: ir.Model, x: F32 = X) -> float:
    want, got = open_session(model).run({"x": x})[0], open_session(int8).run({"x": x})[0]
    return float(np.square(want - got).sum() / np.square(want).sum())


def test_an_outlier_channel_moves_into_the_weights() -> None:
    model = block()
    chosen, ruled = made(model), made(model, recipe=Recipe(input_grids="by_rule"))
    assert chosen.plan.factors["n"][5] >= 4
    assert set(np.delete(chosen.plan.factors["n"], 5)) <= {1.0, 2.0}
    assert error(model, chosen.model) < 0.3 * error(model, ruled.model)


def test_an_outlier_channel_moves_into_codebooks_too() -> None:
    model, recipe = block(), Recipe(codebook=CodebookWish(bits=4))
    chosen, ruled = made(model, recipe=recipe), made(model, recipe=changed(recipe, input_grids="by_rule"))
    assert chosen.plan.factors["n"][5] >= 4
    assert len(chosen.report.codebooks) == 2
    assert error(model, chosen.model) < 0.5 * error(model, ruled.model)


def test_the_grid_is_measured_at_every_run_where_samples_differ_in_size() -> None:
    model = net("[op] y = MatMul(x, w)", inputs="float[N, 8, 32] x", constants={"w": weights(48, 32).T.copy()})
    x = X * np.geomspace(0.01, 10, len(X), dtype=np.float32)[:, None, None]
    done = made(model, x)
    assert done.plan.nodes["op"].runs == "dynamic"
    assert "x" not in done.plan.grids
    assert prove_placement(done.model, model).macs_int8_pct == 100
    assert "measured at every run" in explain(done.plan, "op", "")[0].reason
    for sample in (x[:1], x[-1:]):
        assert error(model, done.model, sample) < 1e-3


def test_a_target_without_run_time_grids_gets_none() -> None:
    plan = made(block(), target=STATIC).plan
    assert {node.runs for node in plan.nodes.values()} <= {"int8", "integer", "absorbed", "float"}
    assert plan.factors["n"][5] >= 4


def test_a_range_is_chosen_by_what_the_weights_read() -> None:
    """Channel 0 is huge and meets weights of zero: only a narrow range keeps the rest."""
    weight = weights(16, 8).T.copy()
    weight[0] = 0
    model = net("[op] c = MatMul(x, w) y = Erf(c)", inputs="float[N, 8, 8] x", constants={"w": weight})
    x = np.random.default_rng(0).normal(size=(40, 8, 8)).astype(np.float32)
    x[:, ::4, 0] *= 200
    x[:, 1, 0] = 200  # in every sample: a grid measured at every run is as wide
    chosen, ruled = (made(model, x, STATIC, Recipe(rule="minmax", input_grids=how, rescue=False)) for how in ("by_output", "by_rule"))
    assert error(model, chosen.model, x) < 0.3 * error(model, ruled.model, x)
    (said,) = [grid.reason for grid in chosen.plan.grids.values()]
    assert "dB less error at the outputs" in said


def test_the_rule_stands_where_nothing_else_is_better() -> None:
    model = net("[op] c = MatMul(x, w) y = Erf(c)", inputs="float[N, 8, 8] x", constants={"w": weights(8, 8)})
    x = np.random.default_rng(0).uniform(-1, 1, size=(20, 8, 8)).astype(np.float32)
    plans = [made(model, x, STATIC, Recipe(input_grids=how)).plan for how in ("by_output", "by_rule")]
    assert plans[0].grids == plans[1].grids


def test_values_of_other_layers_keep_their_rule() -> None:
    model = net("[op] c = Conv(x, w) y = Relu(c)", inputs="float[N, 8, 10, 10] x", constants={"w": weights(8, 8, 3, 3)})
    x = np.random.default_rng(0).normal(size=(20, 8, 10, 10)).astype(np.float32)
    plans = [made(model, x, recipe=Recipe(input_grids=how)).plan for how in ("by_output", "by_rule")]
    assert plans[0].grids == plans[1].grids


def test_the_plan_alone_repeats_the_model(tmp_path: Path) -> None:
    first = made(block())
    plan = parse_plan(first.plan.to_json(), "")
    again = quantize(block(), plan=plan, prove=False)
    fresh = made(block())
    for number, one in enumerate((first, again, fresh)):
        one.save(tmp_path / f"{number}.onnx")
    assert len({(tmp_path / f"{number}.onnx").read_bytes() for number in range(3)}) == 1


@pytest.mark.parametrize("target", [CPU, STATIC])
@pytest.mark.parametrize("stored", [False, True])
def test_a_search_can_put_any_of_them_back_to_float(target: Target, stored: bool) -> None:
    model = block()
    plan = made(model, target=target).plan
    base = Draft.of(Task(model, "", target, Recipe(), {}), plan)
    assert integer_layers(base) == ("one", "two")
    errors = []
    for floats in ((), ("one",), ("one", "two")):
        draft = candidate_plan(base, Candidate("", floats, stored))
        assert draft is not None
        errors.append(error(model, rewrite(model, draft, target)))
    assert errors[2] < (1e-3 if stored else 1e-9)
    assert errors[2] < errors[0]


def test_factors_are_powers_of_two_that_bring_peaks_down_to_the_others() -> None:
    peaks = np.array([1.0, 1.0, 1.0, 1.0, 9.0, 0.0], np.float32)
    assert outlier_factors(peaks, 0.75).tolist() == [1, 1, 1, 1, 16, 1]
    assert outlier_factors(np.zeros(3, np.float32), 0.75).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["n", "layer.0/out"])
def test_the_migrated_value_has_a_name_of_its_own(name: str) -> None:
    assert migrated_name(name) not in (name, "")
