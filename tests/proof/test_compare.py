"""Tests of edgeq.proof.compare, fidelity, layer_fidelity and latency: the sums against plain numpy,
floors, labels, layers worst first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.errors import BadData, BadModel, RuntimeRefused
from edgeq.metrics.metric import BUILT_IN, Metric
from edgeq.numerics.arrays import F32, F64, I64, AnyArray
from edgeq.numerics.fidelity import ErrorSums
from edgeq.proof.compare import Accuracy, CompareSettings, Comparison, OutputFidelity, check_floors, compare_models
from edgeq.proof.latency import Timing, measure_latency
from edgeq.proof.layer_fidelity import match_layers
from edgeq.schema.recipe import Floors

HEAD = '<ir_version: 8, opset_import: ["": 13]>\n'
FLOAT = (
    HEAD
    + """g (float[N, 4] x) => (float[N, 4] y)
<float two = {2.0}, float half = {0.5}> {
    [first] a = Mul(x, two)
    [second] b = Sin(a)
    [third] y = Mul(b, half)
}"""
)
#: the value a on a fine grid, the value b on a very coarse one
INT8 = (
    HEAD
    + """g (float[N, 4] x) => (float[N, 4] y)
<float two = {2.0}, float half = {0.5}, float fine = {0.05}, float coarse = {0.5}, int8 zero = {0}> {
    [first] a = Mul(x, two)
    aq = QuantizeLinear(a, fine, zero)
    ad = DequantizeLinear(aq, fine, zero)
    [second] b = Sin(ad)
    bq = QuantizeLinear(b, coarse, zero)
    b_DequantizeLinear_Output = DequantizeLinear(bq, coarse, zero)
    [third] y = Mul(b_DequantizeLinear_Output, half)
}"""
)


@dataclass(frozen=True)
class Piece:
    samples: range
    feeds: Mapping[str, AnyArray]


@dataclass(frozen=True)
class Rows:
    """A data set of rows for the input x."""

    x: F32
    labels: I64 | None = None
    metric: Metric | None = None
    name: str = "rows"

    @property
    def count(self) -> int:
        return len(self.x)

    def batches(self, batch: int) -> Iterator[Piece]:
        for start in range(0, len(self.x), batch):
            rows = self.x[start : start + batch]
            yield Piece(range(start, start + len(rows)), {"x": rows})


def rows(count: int = 20) -> F32:
    return np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32)


def model(text: str) -> ir.Model:
    return ir.from_onnx_text(text)


def quantized_sine(x: F32) -> F64:
    """What INT8 computes, in plain numpy."""
    a = np.clip(np.rint(2 * x / np.float32(0.05)), -128, 127) * 0.05
    return np.rint(np.sin(a) / 0.5) * 0.5 * 0.5


def test_the_figures_are_those_of_plain_numpy_at_any_batch_size() -> None:
    x = rows()
    f, q = np.sin(2 * x.astype(np.float64)) * 0.5, quantized_sine(x)
    for batch in (1, 7, 20):
        found = compare_models(model(FLOAT), model(INT8), Rows(x), CompareSettings(batch=batch))
        output = found.outputs[0]
        assert found.samples == 20
        assert output.name == "y"
        assert output.sqnr_db == pytest.approx(10 * math.log10((f**2).sum() / ((f - q) ** 2).sum()), abs=1e-3)
        assert output.cosine == pytest.approx((f * q).sum() / np.sqrt((f**2).sum() * (q**2).sum()), abs=1e-5)
        assert output.max_error == pytest.approx(np.abs(f - q).max(), abs=1e-5)
        assert output.same_arg_max == pytest.approx((f.argmax(1) == q.argmax(1)).mean())
        assert (output.classes, output.top1_agreement) == (None, None)  # no layer makes them


def test_equal_models_are_infinitely_close() -> None:
    output = compare_models(model(FLOAT), model(FLOAT), Rows(rows())).outputs[0]
    assert OutputFidelity("y", math.inf, 1.0, 0.0, 1.0) == OutputFidelity(
        output.name, output.sqnr_db, round(output.cosine, 12), output.max_error, output.same_arg_max
    )


def test_an_output_that_is_not_class_scores_has_no_agreement() -> None:
    text = HEAD + "g (float[N, 4] x) => (float[N, 4, 1] y) <int64[1] axis = {2}> { y = Unsqueeze(x, axis) }"
    assert compare_models(model(text), model(text), Rows(rows())).outputs[0].same_arg_max is None


def test_accuracy_counts_the_labels_of_each_batch() -> None:
    x = rows()
    labels = np.sin(2 * x).argmax(1)
    labels[:5] = (labels[:5] + 1) % 4  # five labels that the float model misses
    expected = float((quantized_sine(x).argmax(1) == labels).mean())
    found = compare_models(model(FLOAT), model(INT8), Rows(x, labels, BUILT_IN["top1"]), CompareSettings(batch=3)).accuracy
    assert found == Accuracy("top1", 0.75, expected)


def test_mse_compares_the_output_with_the_input() -> None:
    x = rows()
    found = compare_models(model(FLOAT), model(INT8), Rows(x, metric=BUILT_IN["mse"])).accuracy
    assert found is not None
    assert found.float == pytest.approx(np.square(np.sin(2.0 * x) * 0.5 - x).mean(), rel=1e-4)
    assert found.int8 == pytest.approx(np.square(quantized_sine(x) - x).mean(), rel=1e-4)


def test_top1_without_labels_is_refused() -> None:
    with pytest.raises(BadData, match="needs labels"):
        compare_models(model(FLOAT), model(INT8), Rows(rows(), metric=BUILT_IN["top1"]))


def test_models_with_other_outputs_are_refused() -> None:
    other = model(FLOAT.replace("y", "z"))
    with pytest.raises(BadModel, match="different outputs"):
        compare_models(model(FLOAT), other, Rows(rows()))


def test_a_made_model_that_does_not_run_is_not_called_the_users_fault(tmp_path: Path) -> None:
    broken = model(
        HEAD + "g (float[N, 4] x) => (float[N, 4] y) <int64[1] far = {9}> { [pick] a = Gather<axis = 1>(x, far)  y = Add(x, a) }"
    )
    with pytest.raises(RuntimeRefused, match=r"The float model runs on this data, .* does not") as raised:
        compare_models(model(FLOAT), broken, Rows(rows()))
    assert "bug in edgeq" in raised.value.fix
    ir.save(broken, tmp_path / "given.onnx")  # a file can be of any tool
    with pytest.raises(RuntimeRefused) as raised:
        compare_models(model(FLOAT), tmp_path / "given.onnx", Rows(rows()))
    assert "edgeq has made" not in raised.value.what


def test_layers_come_worst_first_with_the_dequantized_value() -> None:
    x = rows()
    found = compare_models(model(FLOAT), model(INT8), Rows(x), CompareSettings(batch=6, layers=True)).layers
    assert {layer.name for layer in found} == {"first", "second", "third"}
    assert [layer.sqnr_db for layer in found] == sorted(layer.sqnr_db for layer in found)
    assert found[-1].name == "first"
    a = 2 * x.astype(np.float64)
    error = a - np.clip(np.rint(2 * x / np.float32(0.05)), -128, 127) * 0.05
    assert found[-1].sqnr_db == pytest.approx(10 * math.log10((a**2).sum() / (error**2).sum()), abs=0.01)


def test_layers_are_matched_through_quantize_dequantize_or_by_name() -> None:
    assert match_layers(model(FLOAT), model(INT8)) == {"a": "ad", "b": "b_DequantizeLinear_Output", "y": "y"}


def test_layers_reach_into_if_bodies() -> None:
    text = (
        HEAD
        + """g (float[N, 4] x) => (float[N, 4] y) <bool yes = {1}> {
        y = If (yes) <
            then_branch = t () => (float[N, 4] ty) { [inner] h = Sin(x)  ty = Neg(h) },
            else_branch = e () => (float[N, 4] ey) { [other] k = Cos(x)  ey = Neg(k) }
        >
    }"""
    )
    found = compare_models(model(text), model(text), Rows(rows()), CompareSettings(layers=True)).layers
    assert "inner" in {layer.name for layer in found}
    assert "other" not in {layer.name for layer in found}


def test_floors_name_what_is_missed_and_pass_what_holds() -> None:
    good = Comparison((OutputFidelity("y", 30.0, 1.0, 0.1, 0.99),), 10, Accuracy("top1", 0.9, 0.8))
    assert check_floors(good, Floors(min_sqnr=30, min_agreement=0.99, min_accuracy=0.8)) == ()
    missed = check_floors(good, Floors(min_sqnr=31, min_agreement=0.995, min_accuracy=0.85))
    assert len(missed) == 3
    assert missed[0] == "SQNR 30 dB is below the floor of 31 dB"


def test_a_floor_on_something_unmeasured_or_nan_is_missed() -> None:
    vague = Comparison((OutputFidelity("y", math.nan, 1.0, 0.1, None),), 10, None)
    missed = check_floors(vague, Floors(min_sqnr=1, min_agreement=0.5, min_accuracy=0.5))
    assert len(missed) == 3
    assert "no labels" in missed[2]


def test_masks_of_infinity_are_no_error_but_a_lost_infinity_is() -> None:
    sums = ErrorSums()
    sums.add(np.array([1.0, -np.inf]), np.array([1.0, -np.inf]))
    assert (sums.sqnr_db, sums.nonfinite) == (math.inf, 0)
    sums.add(np.array([-np.inf, np.nan]), np.array([0.0, np.nan]))
    assert (sums.sqnr_db, sums.nonfinite) == (math.inf, 1)
    sums.add(np.array([0.0]), np.array([np.nan]))
    assert sums.nonfinite == 2
    lost = Comparison((OutputFidelity("y", sums.sqnr_db, 1.0, 0.0, None, nonfinite=sums.nonfinite),), 3, None)
    assert "2 elements" in check_floors(lost, Floors(min_sqnr=10))[0]


def test_nothing_finite_is_nothing_known() -> None:
    sums = ErrorSums()
    sums.add(np.array([1.0, 2.0]), np.array([np.nan, np.inf]))
    assert math.isnan(sums.sqnr_db)


def test_latency_runs_both_in_turns_and_pairs_the_ratios() -> None:
    ticks = iter(range(10_000))
    found = measure_latency(model(FLOAT), model(INT8), {"x": rows(3)}, threads=1, timing=Timing(runs=11, clock=lambda: float(next(ticks))))
    assert (found.runs, found.threads, found.batch) == (11, 1, 3)
    assert (found.float_ms, found.int8_ms, found.ratio, found.spread) == (1000.0, 1000.0, 1.0, 0.0)


def test_latency_lets_each_model_run_first_in_turns() -> None:
    """Every run takes a second more than the one before it: after four to warm up, A 5 s, B 6 s; B
    7 s, A 8 s.
    """
    times = iter(value for step in range(1, 50) for value in (1000.0 * step, 1000.0 * step + step))
    found = measure_latency(model(FLOAT), model(INT8), {"x": rows(3)}, timing=Timing(runs=2, clock=lambda: next(times)))
    assert (found.float_ms, found.int8_ms) == (1e3 * (5 + 8) / 2, 1e3 * (6 + 7) / 2)


def test_latency_chooses_a_bounded_number_of_runs() -> None:
    ticks = iter(range(10_000))
    found = measure_latency(model(FLOAT), model(INT8), {"x": rows(3)}, timing=Timing(budget_s=50, clock=lambda: float(next(ticks))))
    assert found.runs == 25


def test_latency_stops_when_the_machine_is_slower_than_the_warm_up() -> None:
    seconds = iter([0.0, 1.0, 1.0, 2.0] * 2 + [float(10 * step) for step in range(10_000)])
    found = measure_latency(model(FLOAT), model(INT8), {"x": rows(3)}, timing=Timing(budget_s=100, clock=lambda: next(seconds)))
    assert found.runs == 7


@pytest.mark.parametrize("reader", ["MaxPool", "Concat"])
def test_codes_that_integers_alone_read_are_compared_and_not_what_is_quantized(reader: str) -> None:
    """The grid of the value saturates at 0, which stands for the Relu."""
    moved = "y = Concat<axis = 1>(r, r)" if reader == "Concat" else "y = MaxPool<kernel_shape = [1]>(r)"
    codes = "yq = Concat<axis = 1>(rq, rq)" if reader == "Concat" else "yq = MaxPool<kernel_shape = [1]>(rq)"
    shape = "N, 8, 4" if reader == "Concat" else "N, 4, 4"
    start = f"g (float[N, 4, 4] x) => (float[{shape}] y)\n"
    float_text = HEAD + start + f"<float two = {{2.0}}> {{\n m = Mul(x, two)\n [act] r = Relu(m)\n [move] {moved}\n}}"
    int8_text = (
        HEAD + start + "<float two = {2.0}, float fine = {0.05}, uint8 zero = {0}> {\n"
        f" r = Mul(x, two)\n rq = QuantizeLinear(r, fine, zero)\n {codes}\n y = DequantizeLinear(yq, fine, zero)\n}}"
    )
    rows_of_x = np.random.default_rng(0).normal(size=(6, 4, 4)).astype(np.float32)
    found = compare_models(model(float_text), model(int8_text), Rows(rows_of_x), CompareSettings(batch=6, layers=True)).layers
    assert {layer.name: layer.sqnr_db > 25 for layer in found} == {"act": True, "move": True}
