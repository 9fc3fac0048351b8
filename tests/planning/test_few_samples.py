"""Ranges from few samples: less clipping, outputs with room, last operators in float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.calibration.observer import Observer
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.numerics.arrays import F32, F64
from edgeq.planning.few_samples import ENOUGH, REACH, less_clipped, reaching_further
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

BODY = """c0 = Conv<pads = [1, 1]>(x, w0) r0 = Relu(c0) c1 = Conv<pads = [1, 1]>(r0, w1) r1 = Relu(c1) c2 = Conv<pads = [1, 1]>(r1, w2)
    r2 = Relu(c2) h = Conv(r2, wh) """
HEADS = {
    "mean": "[last] y = ReduceMean<axes = [2], keepdims = 0>(h)",
    "pool": "[last] y = GlobalAveragePool(h)",
    "pool, moved": "[last] p = GlobalAveragePool(h) y = Flatten(p)",
    "add": "g = Conv(r2, wg) [last] y = Add(h, g)",
}
SHAPES = {"mean": "N, 12", "pool": "N, 12, 1", "pool, moved": "N, 12", "add": "N, 12, 40"}


def model_with(head: str, seed: int = 0) -> ir.Model:
    constants = {f"w{i}": weights(24, 24 if i else 8, 3, seed=seed + i) * 1.4 for i in range(3)}
    constants |= {"wh": weights(12, 24, 1, seed=seed + 3)} | ({"wg": weights(12, 24, 1, seed=seed + 4)} if head == "add" else {})
    return net(BODY + HEADS[head], inputs="float[N, 8, 40] x", outputs=f"float[{SHAPES[head]}] y", constants=constants)


def clips(count: int, seed: int) -> F32:
    """Noise of different loudness."""
    chance = np.random.default_rng(seed)
    return (chance.normal(size=(count, 8, 40)) * np.exp(0.3 * chance.normal(size=(count, 1, 1)))).astype(np.float32)


def run(model: ir.Model, x: F32) -> F64:
    with open_session(model, threads=1) as session:
        return np.asarray(session.run({"x": x})[0], np.float64)


@pytest.mark.parametrize("head", HEADS)
def test_a_float_output_is_not_cut_at_what_few_samples_reached(head: str) -> None:
    model, new = model_with(head), clips(200, 2)
    result = quantize(model, {"x": clips(16, 1)}, recipe=Recipe(effort="fast"), prove=False)
    exact, got = run(model, new), run(result.model, new)
    seen = run(model, clips(16, 1))
    outside = (exact < seen.min()) | (exact > seen.max())
    assert outside.any()
    assert 10 * np.log10(np.square(exact).sum() / np.square(got - exact).sum()) > 25
    assert 10 * np.log10(np.square(exact[outside]).sum() / np.square(got - exact)[outside].sum()) > 20
    assert result.plan.nodes["last"].runs == "float"
    assert result.plan.nodes["last"].because == "output"


def test_many_samples_leave_it_in_integers_within_what_they_reached() -> None:
    model = model_with("pool")
    given = clips(ENOUGH * 5 // 4, 1)  # of which one in five is held out, and shows no range
    plan = quantize(model, {"x": given}, recipe=Recipe(effort="fast"), prove=False).plan
    seen = run(model, given[np.arange(len(given)) % 5 != 4])
    assert plan.nodes["last"].runs == "int8"
    assert float(plan.grids["y"].params.high) == pytest.approx(seen.max(), rel=0.02)
    assert float(plan.grids["y"].params.low) == pytest.approx(seen.min(), rel=0.02)


@pytest.mark.parametrize(("count", "room"), [(ENOUGH - 1, True), (ENOUGH, False)])
def test_an_output_has_room_as_long_as_few_samples_were_fitted_to(count: int, room: bool) -> None:
    recipe = Recipe(effort="fast", hold_out=False)
    plan = quantize(model_with("pool"), {"x": clips(count, 1)}, target="npu_int8", recipe=recipe, prove=False).plan
    assert ("for samples not seen yet" in plan.grids["y"].reason) is room


def test_integer_targets_have_room_too() -> None:
    model = model_with("pool")
    plan = quantize(model, {"x": clips(16, 1)}, target="npu_int8", recipe=Recipe(effort="fast"), prove=False).plan
    seen = run(model, clips(16, 1))
    assert 1.05 * seen.max() < float(plan.grids["y"].params.high) < 2.5 * seen.max()


@pytest.mark.parametrize("last", ["r = Relu(h) y = GlobalAveragePool(r)", "y = Clip(h, low, six)", "y = Sigmoid(h)"])
def test_the_room_ends_where_the_operator_does(last: str) -> None:
    more = {"low": 0.0, "six": 6.0} if "six" in last else {}
    constants = {"w0": weights(24, 8, 3) * 4} | more
    model = net(f"h = Conv<pads = [1, 1]>(x, w0) {last}", inputs="float[N, 8, 40] x", outputs="float y", constants=constants)
    grid = quantize(model, {"x": clips(16, 1)}, target="npu_int8", recipe=Recipe(effort="fast"), prove=False).plan.grids["y"].params
    assert float(grid.low) == 0
    if "Clip" in last:
        assert float(grid.high) == pytest.approx(6)
    if "Sigmoid" in last:
        assert float(grid.high) <= 1


def stats_of(values: F32) -> TensorStats:
    observer = Observer()
    observer.update(values, range(len(values)))
    return observer.stats()


def test_a_rule_is_trusted_by_the_number_of_samples() -> None:
    values = np.random.default_rng(0).normal(size=(ENOUGH, 50)).astype(np.float32)
    ends = [less_clipped(stats_of(values[:count]), (-1.0, 1.0)) for count in (ENOUGH, ENOUGH // 2, 1)]
    assert ends[0] == (-1.0, 1.0)
    assert ends[1] == pytest.approx(((values[:16].min() - 1) / 2, (values[:16].max() + 1) / 2))
    assert ends[2][1] == pytest.approx(values[:1].max(), rel=0.05)


def test_extremes_of_more_samples_are_foreseen() -> None:
    """Of 200 sets of 16 samples with Gumbel extremes, few are exceeded by the next ten samples."""
    chance = np.random.default_rng(3)
    exceeded = plain = 0
    for _ in range(200):
        drawn = chance.gumbel(4.0, 1.0, size=(26, 1)).astype(np.float32)
        high = reaching_further(stats_of(drawn[:16]), REACH)[1]
        exceeded += int(drawn[16:].max() > high)
        plain += int(drawn[16:].max() > drawn[:16].max())
    assert plain > 60
    assert exceeded < 10


def test_a_bound_that_every_sample_reaches_is_kept() -> None:
    values = np.tile(np.array([[0.0, 1.0]], np.float32), (10, 1))
    assert reaching_further(stats_of(values), REACH) == (0.0, 1.0)
    assert reaching_further(stats_of(-values), REACH) == (-1.0, 0.0)
    assert reaching_further(stats_of(values[:1]), REACH) == (0.0, 1.0)
