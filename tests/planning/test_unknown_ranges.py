"""Values that were one number in all of the data: said, and served by no grid of that number."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.errors import BadData
from edgeq.numerics.arrays import F32, F64
from edgeq.planning.unknown_ranges import unknown_ranges
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import eager, net, weights

FAST = Recipe(effort="fast")
FORMS = {
    "added": "a = Conv(x, w) b = Add(a, z) r = Relu(b) y = Conv(r, v)",
    "joined": "a = Concat<axis = 1>(x, z) r = Conv(a, u) y = Relu(r)",
    "convolved": "a = Conv(x, w) b = Conv(z, v) c = Add(a, b) y = Conv(c, v)",
    "subtracted": "a = Sub(x, z) r = Conv(a, w) y = Conv(r, v)",
}


def model_of(form: str) -> ir.Model:
    found = {"w": weights(4, 4, 1, 1), "v": weights(4, 4, 1, 1, seed=1), "u": weights(4, 8, 1, 1)}
    used = {name: array for name, array in found.items() if f" {name})" in FORMS[form]}
    return net(FORMS[form], inputs="float[N, 4, 6, 6] x, float[N, 4, 6, 6] z", outputs="float[N, 4, 6, 6] y", constants=used)


def feeds(count: int, seed: int, still: float | None) -> dict[str, F32]:
    x, z = np.random.default_rng(seed).normal(size=(2, count, 4, 6, 6)).astype(np.float32)
    return {"x": x, "z": z if still is None else np.full_like(z, still)}


def run(model: ir.Model, given: dict[str, F32]) -> F64:
    with open_session(model, threads=1) as session:
        return np.asarray(session.run(given)[0], np.float64)


@pytest.mark.parametrize("form", ["added", "joined", "convolved"])
def test_an_input_that_was_0_still_counts_on_a_target_with_floats(form: str) -> None:
    model, new = model_of(form), feeds(20, 2, None)
    result = quantize(model, feeds(40, 1, 0.0), target=eager(), recipe=FAST, prove=False)
    exact = run(model, new)
    error = run(result.model, new) - exact
    assert np.square(exact).sum() > 100 * np.square(error).sum()  # not more: what follows from it was not seen either
    assert result.plan.constants["z"] == 0
    assert any(place.because == "constant" for place in result.plan.nodes.values())
    assert any("`z`" in line and "input `z` was" in line for line in result.report.warnings)


@pytest.mark.parametrize("form", ["added", "joined", "subtracted"])
def test_on_integer_targets_it_gets_the_range_of_its_neighbour(form: str) -> None:
    result = quantize(model_of(form), feeds(40, 1, 0.0), target="npu_int8", recipe=FAST, prove=False)
    grid = result.plan.grids["z"].params
    assert float(grid.low) < -1
    assert float(grid.high) > 1
    assert "tells no range" in result.plan.grids["z"].reason
    assert any("a range was guessed" in line for line in result.report.warnings)


def test_without_a_neighbour_it_gets_a_range_of_order_1() -> None:
    grid = quantize(model_of("convolved"), feeds(40, 1, 0.0), target="npu_int8", recipe=FAST, prove=False).plan.grids["z"].params
    assert (float(grid.low), float(grid.high)) == (pytest.approx(-1, abs=0.01), pytest.approx(1, abs=0.01))


def test_another_number_is_in_the_range() -> None:
    grid = quantize(model_of("added"), feeds(40, 1, 7.0), target="npu_int8", recipe=FAST, prove=False).plan.grids["z"].params
    assert float(grid.high) == pytest.approx(7, rel=0.01)
    assert float(grid.low) < -1


def test_a_mask_that_masked_nothing_masks_later() -> None:
    body = "m = Mul(n, k) s = MatMul(x, w) u = Add(s, m) p = Softmax(u) y = MatMul(p, v)"
    constants = {"k": np.float32(-1e4), "w": weights(8, 8) * 2, "v": weights(8, 4)}
    model = net(body, inputs="float[N, 8] x, float[N, 8] n", outputs="float[N, 4] y", constants=constants)
    x = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    result = quantize(model, {"x": x[:40], "n": np.zeros((40, 8), np.float32)}, target="npu_int8", recipe=FAST, prove=False)
    assert float(result.plan.grids["m"].params.low) < -8


def test_data_that_varies_is_not_doubted_and_strict_data_refuses_the_rest() -> None:
    result = quantize(model_of("added"), feeds(40, 1, None), target=eager(), recipe=FAST, prove=False)
    assert result.plan.constants == {}
    assert not any("constant in all" in line for line in result.report.warnings)
    with pytest.raises(BadData, match="constant in all of the data"):
        quantize(model_of("added"), feeds(40, 1, 0.0), target=eager(), recipe=FAST, prove=False, data_doubts="strict")


@pytest.mark.parametrize("maker", ["Constant<value_floats = [1.0, 2.0, 3.0, 4.0]>()", "RandomNormal<shape = [4], seed = 1.0>()"])
def test_an_output_whose_maker_reads_nothing_is_no_obstacle(maker: str) -> None:
    """It ends the walk from an output of few samples back over what only moves its values."""
    found = net(
        f"y = Conv(x, w) z = {maker}",
        inputs="float[N, 4, 6, 6] x",
        outputs="float[N, 4, 6, 6] y, float[4] z",
        constants={"w": weights(4, 4, 1, 1)},
    )
    assert "z" not in unknown_ranges(found, {"x": TensorStats(samples=np.arange(2))}, eager(), {})
