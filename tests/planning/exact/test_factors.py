"""Factors, weights and grids with which TFLite's double rounding, single rounding and float
multiplication give the same codes.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import onnx
import pytest

from edgeq.api import Quantized, quantize
from edgeq.integers.emit import emit_tflite
from edgeq.integers.graph import integer_graph
from edgeq.integers.interpreter.fixed_point import Multiplier, multiplier, scaled
from edgeq.integers.interpreter.machine import out_scale
from edgeq.integers.operands import grid_out
from edgeq.integers.run import Interpreter
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import quantize as to_codes
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.planning.exact.factors import Requantized, around, exact_ladder
from edgeq.planning.exact.rounding import Rounded, exact_if_cheap
from edgeq.runtimes.ort import open_session
from edgeq.schema.target import Target, load_target
from tests.small_models import text_model

REACH = 255
HOW = Requantized(0.37, REACH, 0.02)
NET = """<ir_version: 8, opset_import: ["": 14]>
net (float[1, 3, 12, 12] x) => (float[1, 5] y) {
  [a] a = Conv<pads = [1, 1, 1, 1]>(x, w, b)
  [ra] p = Relu(a)
  [d] d = Conv<pads = [1, 1, 1, 1], group = 8>(p, v)
  [rd] e = Relu(d)
  [c] c = Conv<pads = [1, 1, 1, 1]>(e, u)
  [m] m = Mul(c, e)
  [mean] q = GlobalAveragePool(m)
  [flat] f = Flatten(q)
  [fc] y = Gemm(f, k)
}"""


def net() -> onnx.ModelProto:
    rng = np.random.default_rng(4)
    shapes = {"w": (8, 3, 3, 3), "b": (8,), "v": (8, 1, 3, 3), "u": (8, 8, 3, 3), "k": (8, 5)}
    return text_model(NET, {name: (rng.normal(size=shape) / 3).astype(np.float32) for name, shape in shapes.items()})


def samples(seed: int, count: int) -> AnyArray:
    return np.random.default_rng(seed).normal(size=(count, 3, 12, 12)).astype(np.float32)


def made(target: str | Target = "mcu_tflite") -> Quantized:
    return quantize(net(), {"x": samples(1, 24)}, target=target, prove=False)


def disagreements(factor: float, by: Multiplier | None = None) -> int:
    """Over all sums whose codes lie within REACH: how many get other codes by rounding twice, or by
    float32, than exactly.
    """
    last = int((REACH + 0.5) / factor)
    sums = np.arange(-last, last + 1)
    exactly = np.rint(sums * factor)
    in_float = np.rint(sums.astype(np.float32) * np.float32(factor))
    # float32 products of a few thousand sit within its own noise of thresholds that are 1e-7 away:
    # leave the first two codes out
    far = np.abs(exactly) > 2
    return int((scaled(sums, by or multiplier(factor)) != exactly).sum() + (in_float != exactly)[far].sum())


@pytest.mark.parametrize("seed", range(2))
def test_exact_scales_round_alike_and_others_do_not(seed: int) -> None:
    scale = np.exp(np.random.default_rng(seed).uniform(np.log(1e-3), np.log(0.4), 40)).astype(np.float32)
    for exact in (HOW.above(scale), HOW.below(scale)):
        assert [disagreements(float(one) * HOW.ratio) for one in exact] == [0] * 40
    assert sum(disagreements(float(one) * HOW.ratio) > 0 for one in scale) > 25


def test_exact_scales_are_the_next_ones() -> None:
    scale = np.geomspace(2e-3, 0.4, 200).astype(np.float32)
    above, below = HOW.above(scale), HOW.below(scale)
    assert np.all(below < above)
    assert np.all(above >= scale * (1 - 1e-5))
    assert np.all(below <= scale)
    fine = scale * HOW.ratio < 1 / 64
    assert float(np.max((above / below)[fine])) < 1.11
    assert np.array_equal(HOW.above(above), above)
    rounded_once = np.float32([1.5, 40.0])
    assert np.array_equal(HOW.above(rounded_once), rounded_once)
    assert HOW.above(np.float32([1e-9]))[0] * HOW.ratio == pytest.approx(exact_ladder(REACH)[0])


@pytest.mark.parametrize("count", [4, 9, 48, 49, 64, 1152])
def test_exact_means_round_alike(count: int) -> None:
    """TFLite divides the mantissa by the count and leaves it below 1/2: fewer factors are exact
    than of layers.
    """
    ladder = exact_ladder(REACH, count)
    for factor in ladder[:: max(1, len(ladder) // 12)].tolist():
        by = multiplier(factor * count)
        shift = min(count.bit_length() - 1, 32, 31 + int(by.exponent))
        assert disagreements(factor, Multiplier(np.asarray((int(by.mantissa) << shift) // count), by.exponent - shift)) == 0
    if count in (9, 48, 49):
        assert len(ladder) < len(exact_ladder(REACH))


def test_around_gives_the_rungs_on_both_sides() -> None:
    ladder = exact_ladder(REACH)
    middle = float(ladder[10] + ladder[11]) / 2
    assert around(middle, ladder) == (ladder[10], ladder[11])
    assert around(float(ladder[-1]) * 2, ladder) == (ladder[-1],)
    assert around(float(ladder[0]) / 2, ladder) == (ladder[0],)


def test_a_row_stays_free_where_exactness_costs_too_much() -> None:
    def rounded(scale: float, errors: list[float]) -> Rounded:
        shape = (1, len(errors))
        codes = np.full((*shape, 3), scale, np.float32)
        return Rounded(np.full(shape, scale, np.float32), codes, np.array([errors], np.float64))

    free, exact = rounded(1.0, [1.0, 1.0, 0.0]), rounded(2.0, [3.9, 4.1, 0.2])
    assert exact_if_cheap(exact, free, 0.0, False).scale.tolist() == [[2.0, 1.0, 1.0]]
    assert exact_if_cheap(exact, free, 1.0, False).scale.tolist() == [[2.0, 2.0, 2.0]]
    assert exact_if_cheap(exact, free, 1.0, False).codes[0, :, 0].tolist() == [2.0, 2.0, 2.0]
    assert exact_if_cheap(replace(exact, error=exact.error + 9), free, 0.0, False).scale.tolist() == [[1.0, 1.0, 1.0]]


def test_fixed_point_and_float_requantization_give_the_same_codes() -> None:
    model, x = made().model, samples(7, 40)
    (grid,) = Interpreter(model, "float").input_grids.values()
    codes: AnyArray = to_codes(x, grid)
    outputs = [Interpreter(model, how).run({"x": codes}).outputs["y"] for how in ("fixed_point", "float")]
    assert np.array_equal(*outputs)


def test_means_and_products_have_exact_factors() -> None:
    steps = {step.op_type: step for step in integer_graph(made().model).steps}
    for op_type, count in (("Mul", 1), ("GlobalAveragePool", 144)):
        step = steps[op_type]
        product = np.prod([float(operand.grid.scale) for operand in step.inputs if operand is not None and operand.grid is not None])
        factor, zero = float(product) / count / out_scale(step), int(grid_out(step).zero_point)
        ladder = exact_ladder(max(zero + 128, 127 - zero), count)
        assert min(abs(rung / factor - 1) for rung in around(factor, ladder)) < 2e-7


def test_float_targets_and_powers_of_two_keep_their_grids() -> None:
    assert np.log2(made("npu_pow2").plan.grids["q"].scale) % 1 == 0
    product = [made(target).plan.grids for target in ("cpu", "npu_int8")]
    factors = [grids["c"].scale * grids["e"].scale / grids["m"].scale for grids in product if {"c", "e", "m"} <= set(grids)]
    assert len(factors) == 2
    near = [min(abs(rung / factor - 1) for rung in around(factor, exact_ladder(REACH))) for factor in factors]
    assert near[0] > 1e-5 > near[1]


def test_litert_gives_the_codes_of_onnxruntime() -> None:
    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("litert is not installed: pip install 'edgeq[backends]'")
    from edgeq.runtimes.tflite.litert import LiteRt

    # where the processor lacks VNNI, onnxruntime's own sums saturate unless the weights prevent it
    model, x = made(load_target("mcu_tflite").without_vnni()).model, samples(8, 60)
    (grid,) = Interpreter(model, "float").input_grids.values()
    codes = to_codes(x, grid)
    runtimes = [LiteRt(emit_tflite(model), kernels) for kernels in ("reference", "xnnpack")]
    floats = model.clone()
    FloatBoundary()(floats)
    (result,) = integer_graph(model).outputs
    assert result.grid is not None
    with open_session(floats, optimize="all") as session:
        for one, image in zip(codes, x, strict=True):
            (wanted,) = session.run({"x": image[None]})
            for runtime in runtimes:
                (found,) = runtime.run([np.asarray(one[None]).transpose(0, 2, 3, 1)])
                assert np.array_equal(found.reshape(-1), to_codes(wanted.reshape(-1), result.grid))
