"""Masks before a Softmax: their value makes no difference, wherever they come in."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.errors import EdgeqError
from edgeq.graph.signature import input_specs
from edgeq.integers.run import Interpreter
from edgeq.numerics.arrays import F32, F64, AnyArray
from edgeq.numerics.grid import dequantize
from edgeq.passes.boundary.float_boundary import FloatBoundary
from edgeq.planning.softmax_limits import NONE, SoftmaxLimits, limiting_values
from edgeq.runtimes.ort import open_session
from edgeq.schema.recipe import Recipe
from tests.graph_text import net, weights

LENGTH, WIDTH, HEADS = 12, 16, 2
LEAST = float(np.finfo(np.float32).min)
FUTURE = np.triu(np.ones((LENGTH, LENGTH), np.float32), 1) > 0
BEFORE = """q0 = MatMul(x, wq) q1 = Reshape(q0, heads) q = Transpose<perm = [0, 2, 1, 3]>(q1)
    k0 = MatMul(x, wk) k1 = Reshape(k0, heads) k = Transpose<perm = [0, 2, 3, 1]>(k1)
    v0 = MatMul(x, wv) v1 = Reshape(v0, heads) v = Transpose<perm = [0, 2, 1, 3]>(v1) s = MatMul(q, k) """
AFTER = " a = MatMul(p, v) b = Transpose<perm = [0, 2, 1, 3]>(a) c = Reshape(b, flat) d = MatMul(c, wo) e = Add(d, x) y = MatMul(e, wy)"
#: between the scores s and the probabilities p
FORMS = {
    "mul": "t = Mul(s, scale) u = Add(t, mask) p = Softmax(u)",
    "div": "t = Div(s, four) u = Add(t, mask) p = Softmax(u)",
    "first operand, no scale": "u = Add(mask, s) p = Softmax(u)",
    "sub": "t = Mul(s, scale) u = Sub(t, cost) p = Softmax(u)",
    "mask and bias in one": "t = Mul(s, scale) u = Add(t, both) p = Softmax(u)",
    "bias behind": "t = Mul(s, scale) u = Add(t, mask) w = Add(u, bias) p = Softmax(w)",
    "reshaped between": "t = Mul(s, scale) r = Add(t, bias) u = Reshape(r, windows) w = Add(u, mask) z = Reshape(w, back) p = Softmax(z)",
    "scaled behind": "t = Add(s, mask) u = Mul(t, scale) p = Softmax(u)",
    "another axis": "t = Mul(s, scale) r = Transpose<perm = [0, 1, 3, 2]>(t) u = Add(r, turned) w = Softmax<axis = -2>(u) "
    "p = Transpose<perm = [0, 1, 3, 2]>(w)",
    "where": "t = Mul(s, scale) u = Where(allowed, t, least) p = Softmax(u)",
    "from an input": "n = Sub(one, m) r = Mul(n, least) o = Unsqueeze(r, axes) t = Mul(s, scale) u = Add(t, o) p = Softmax(u)",
    "from an input, with a bias": "n = Sub(one, m) r = Mul(n, least) o = Unsqueeze(r, axes) g = Add(o, bias) t = Mul(s, scale) "
    "u = Add(t, g) p = Softmax(u)",
    "from an input, less one": "n = Sub(m, one) r = Mul(n, cost) o = Unsqueeze(r, axes) t = Mul(s, scale) u = Add(t, o) p = Softmax(u)",
    "from an input, taken off": "n = Sub(one, m) r = Mul(n, cost) o = Unsqueeze(r, axes) t = Mul(s, scale) u = Sub(t, o) p = Softmax(u)",
    "from an input, divided": "n = Sub(one, m) r = Div(n, tiny) o = Unsqueeze(r, axes) t = Mul(s, scale) u = Add(t, o) p = Softmax(u)",
    "from an input, a factor first": "n = Mul(m, cost) r = Sub(n, cost) o = Unsqueeze(r, axes) t = Mul(s, scale) u = Add(t, o) "
    "p = Softmax(u)",
    "two layers": "t = Mul(s, scale) u = Add(t, mask) r = Softmax(u) n = MatMul(r, v) o = MatMul(n, k) g = Mul(o, scale) w = Add(g, mask) "
    "p = Softmax(w)",
}


def attention(form: str, mask: float) -> ir.Model:
    least, bias = np.float32(mask), weights(1, HEADS, LENGTH, LENGTH, seed=9) * 4
    constants: dict[str, AnyArray] = {
        "scale": np.float32(0.5), "four": np.float32(2.0), "one": np.float32(1), "least": least, "bias": bias, "allowed": ~FUTURE,
        "mask": np.where(FUTURE, least, np.float32(0)), "turned": np.where(FUTURE, least, np.float32(0)).T.copy(),
        "cost": -least if "input" in form else np.where(FUTURE, -least, np.float32(0)), "tiny": np.float32(1 / max(mask, -1e30)),
        "both": np.where(FUTURE, least, bias), "axes": np.array([1, 2]),
        "heads": np.array([0, LENGTH, HEADS, WIDTH // HEADS]), "flat": np.array([0, LENGTH, WIDTH]), "wy": weights(WIDTH, 4, seed=5),
        "windows": np.array([-1, 1, HEADS, LENGTH, LENGTH]), "back": np.array([-1, HEADS, LENGTH, LENGTH]),
    }  # fmt: skip
    constants |= {f"w{name}": weights(WIDTH, WIDTH, seed=seed) * 1.2 for seed, name in enumerate("qkvo")}
    body = f"{BEFORE} {FORMS[form]} {AFTER}"
    words = body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    more = f", float[N, {LENGTH}] m" if "input" in form else ""
    inputs = f"float[N, {LENGTH}, {WIDTH}] x{more}"
    used = {name: array for name, array in constants.items() if name in words}
    return net(body, inputs=inputs, outputs=f"float[N, {LENGTH}, 4] y", constants=used)


def feeds(form: str, count: int, seed: int) -> dict[str, F32]:
    chance = np.random.default_rng(seed)
    found = {"x": chance.normal(size=(count, LENGTH, WIDTH)).astype(np.float32)}
    if "input" in form:
        found["m"] = (np.arange(LENGTH) < chance.integers(3, LENGTH + 1, size=(count, 1))).astype(np.float32)
    return found


def run(model: ir.Model, given: dict[str, F32]) -> F64:
    """The file's own arithmetic: no fusions, whose sums saturate without VNNI on some targets."""
    with open_session(model, threads=1, optimize="off") as session:
        return np.asarray(session.run(given)[0], np.float64)


def sqnr(form: str, mask: float, target: str) -> float:
    model, given = attention(form, mask), feeds(form, 8, 2)
    result = quantize(model, feeds(form, 40, 1), target=target, recipe=Recipe(effort="fast"), prove=False).model
    FloatBoundary()(result)
    exact = run(model, given)
    return float(10 * np.log10(np.square(exact).sum() / np.square(run(result, given) - exact).sum()))


@pytest.mark.parametrize("target", ["cpu", "openvino", "qnn_htp", "npu_int8"])
@pytest.mark.parametrize("form", FORMS)
def test_no_mask_makes_a_difference(form: str, target: str) -> None:
    masks = (-1e4, LEAST) if "input" in form else (-1e9, -np.inf)  # 0 * -inf would be NaN
    if target == "npu_int8" and form == "where":
        with pytest.raises(EdgeqError, match="no integer kernel for Where"):
            sqnr(form, masks[0], target)
        return
    assert min(sqnr(form, mask, target) for mask in masks) > 25


@pytest.mark.parametrize("target", ["npu_pow2", "dsp_int8", "mcu_tflite"])
@pytest.mark.parametrize("form", ["mul", "from an input, with a bias"])
def test_nor_does_it_where_scales_are_limited(form: str, target: str) -> None:
    assert sqnr(form, -1e9, target) > 24


def test_integer_arithmetic_agrees() -> None:
    """Fixed-point arithmetic has few bits for a grid that reaches to -1e9 beside a small one."""
    both = np.where(np.arange(LENGTH) < 5, np.float32(-1e9), weights(LENGTH, seed=3) * 4)
    constants = {"w": weights(WIDTH, LENGTH) * 4, "both": both, "v": weights(LENGTH, 4, seed=1)}
    model = net("s = MatMul(x, w) u = Add(s, both) p = Softmax(u) y = MatMul(p, v)", inputs="float[N, 16] x", constants=constants)
    given, known = ({"x": weights(count, WIDTH, seed=count) * 4} for count in (32, 64))
    result = quantize(model, known, target="npu_int8", recipe=Recipe(effort="fast"), prove=False).model
    machine = Interpreter(result)
    found = machine.run(given)
    exact, got = run(model, given), dequantize(found.outputs["y"], machine.output_grids["y"])
    assert not found.overflows
    assert 10 * np.log10(np.square(exact).sum() / np.square(got - exact).sum()) > 25


def limits_of(body: str, feeds: dict[str, F32], **constants: AnyArray | float) -> SoftmaxLimits:
    shape = "float[N, 4]"
    model = net(body, inputs=", ".join(f"{shape} {name}" for name in feeds), constants=constants)
    everything = frozenset(str(value.name) for node in model.graph for value in node.inputs if value is not None)
    data = open_dataset(feeds, input_specs(model))
    return SoftmaxLimits(model, observe(model, limiting_values(model, everything), data))


SCORES = np.tile(np.array([[-1.0, 0.0, 1.0, 3.0]], np.float32), (4, 1))
MASK = np.tile(np.array([[0.0, -1e9, 0.5, -1e9]], np.float32), (4, 1))


def test_the_limit_of_a_mask_follows_from_the_scores() -> None:
    lowest = 1.5 - np.log(4 * 512)  # below the largest sum of each row
    found = limits_of("u = Add(s, m) y = Softmax(u)", {"s": SCORES, "m": MASK})
    assert found.of("m") == (pytest.approx(lowest - 3), np.inf)
    assert found.of("s") == (pytest.approx(lowest - 0.5), np.inf)
    assert found.of("u") == (pytest.approx(lowest), np.inf)


def test_the_limit_of_what_is_subtracted_is_at_its_high_end() -> None:
    found = limits_of("u = Sub(s, m) y = Softmax(u)", {"s": SCORES, "m": -MASK})
    assert found.of("m") == (-np.inf, pytest.approx(3 - (1.5 - np.log(4 * 512))))


def test_a_scale_moves_the_limit() -> None:
    once, behind = (
        limits_of(body, {"s": SCORES, "m": MASK}, half=0.5)
        for body in ("t = Mul(s, half) u = Add(t, m) y = Softmax(u)", "t = Add(s, m) u = Mul(t, half) y = Softmax(u)")
    )
    assert once.of("s")[0] == pytest.approx(2 * once.of("t")[0])
    assert behind.of("t")[0] == pytest.approx(2 * behind.of("u")[0])


def test_what_another_operator_reads_has_no_limit() -> None:
    found = limits_of("u = Add(s, m) y = LogSoftmax(u)", {"s": SCORES, "m": MASK})
    assert found.of("m") == found.of("s") == NONE


@pytest.mark.parametrize(("far", "sign", "end"), [(-1e9, 1, 0), (1e9, -1, 1)])
def test_a_factor_is_cut_whatever_the_sign_of_the_zeros_and_ones(far: float, sign: int, end: int) -> None:
    hidden = np.tile(np.array([[0, 1, 0, 1]], np.float32), (4, 1)) * sign
    model = net("r = Mul(m, far) u = Add(s, r) y = Softmax(u)", inputs="float[N, 4] s, float[N, 4] m", constants={"far": far})
    everything = frozenset(str(value.name) for node in model.graph for value in node.inputs if value is not None)
    data = open_dataset({"s": SCORES, "m": hidden}, input_specs(model))
    found = SoftmaxLimits(model, observe(model, limiting_values(model, everything), data))
    assert found.at(model.graph[0], 1)[end] == pytest.approx(sign * 255 * found.of("r")[0])
    assert -1e9 < found.of("r")[0] < -5
