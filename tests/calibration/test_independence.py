"""Whether rows of axis 0 are samples: models whose rows depend on each other are refused, models
that take one sample at a time get one, and rounding is no dependence.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import calibrate, compare, quantize
from edgeq.calibration.independence import fed_rightly
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.errors import BadData
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from tests.graph_text import Constants, net, weights

ROWS = np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)
BASE: Constants = {"w": weights(16, 16), "v": weights(4, 16, seed=1)}
LAYERS = "a = Gemm<transB = 1>(x, w) "
END = " y = Gemm<transB = 1>(b, v)"


def model(body: str, constants: Constants | None = None, inputs: str = "float[N, 16] x", outputs: str = "float y") -> ir.Model:
    known = {**BASE, **(constants or {})}
    named = {name: array for name, array in known.items() if f" {name})" in body}
    return net(body, inputs=inputs, outputs=outputs, constants=named)


def opened(float_model: ir.Model, data: AnyArray = ROWS) -> Dataset:
    return open_dataset({"x": data}, input_specs(float_model))


DEPENDENT = {
    "mean over the rows": LAYERS + "m = ReduceMean<axes = [0]>(a) b = Sub(a, m)" + END,
    "attention among the rows": LAYERS
    + "t = Transpose<perm = [1, 0]>(a) d = MatMul(a, t) s = Div(d, size) p = Softmax(s) b = MatMul(p, a)"
    + END,
    "sum of the rows so far": LAYERS + "b = CumSum(a, zero)" + END,
    "sum of the rows to come": LAYERS + "b = CumSum<reverse = 1, exclusive = 1>(a, zero)" + END,
    "the largest of the rows": LAYERS + "m = ReduceMax<axes = [0]>(a) b = Div(a, m)" + END,
}


@pytest.mark.parametrize("kind", DEPENDENT)
def test_rows_that_change_with_their_neighbours_are_refused_in_words(kind: str) -> None:
    found = model(DEPENDENT[kind], {"zero": np.array(0), "size": np.float32(16)})
    with pytest.raises(BadData) as refused:
        fed_rightly(opened(found), found)
    words = str(refused.value)
    assert "axis 0" in words and "output `y`" in words and "`x` [N, 16]" in words and "x [feeds, N, 16]" in words


def test_the_ways_out_that_the_words_name_work() -> None:
    found = model(DEPENDENT["mean over the rows"])
    assert fed_rightly(opened(found, ROWS.reshape(3, 4, 16)), found).fixed_batch == 1
    assert fed_rightly(opened(found, ROWS[:, None]), found).fixed_batch == 1


ONE_AT_A_TIME = {
    "a Reshape says 1": ("float[N, 4, 4] x", "r = Reshape(x, one) y = MatMul(r, k)", {"one": np.array([1, 4, 4]), "k": weights(4, 4)}),
    "a token of batch 1": ("float[N, 4, 4] x", "r = Concat<axis = 1>(token, x) y = MatMul(r, k)",
                           {"token": weights(1, 1, 4), "k": weights(4, 4)}),
    "a state of batch 1": ("float[N, 4, 4] x", "t = Transpose<perm = [1, 0, 2]>(x) y, h = GRU<hidden_size = 3>(t, k, r, , , state)",
                           {"k": weights(1, 9, 4), "r": weights(1, 9, 3), "state": weights(1, 1, 3)}),
    "a mean over everything": ("float[N, 4, 4] x", "y = ReduceMean<keepdims = 0>(x)", {}),
    "rows are numbered": ("float[N, 4, 4] x", "p = Relu(x) y = NonZero(p)", {}),
    "a batch that is divided by": ("float[N, 4, 4] x", "s = Shape<end = 1>(x) f = Cast<to = 1>(s) y = Div(x, f)", {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ONE_AT_A_TIME)
def test_a_model_that_takes_one_sample_at_a_time_gets_one_and_says_so(kind: str) -> None:
    inputs, body, constants = ONE_AT_A_TIME[kind]
    outputs = "int64 y" if "NonZero" in body else "float y"
    found = net(body, inputs=inputs, outputs=outputs, constants=constants)
    data = open_dataset({"x": ROWS.reshape(12, 4, 4)}, input_specs(found))
    fed = fed_rightly(data, found)
    assert (data.fixed_batch, fed.fixed_batch) == (None, 1)
    assert fed.notes[-1].startswith("samples run one by one")
    assert [len(batch.samples) for batch in fed.batches(8)] == [1] * 12


INDEPENDENT = {
    "layers": ("float y", LAYERS + "b = Relu(a)" + END),
    "the batch lies elsewhere in an output": ("float y", LAYERS + "y = Transpose<perm = [1, 0]>(a)"),
    "an output of constants": ("float y, float anchors", LAYERS + "y = Relu(a) s = Shape<start = 1>(a) anchors = ConstantOfShape(s)"),
    "infinities and NaN": ("float y", LAYERS + "y = Log(a)"),
    "integers": ("int64 y", LAYERS + "y = ArgMax<axis = 1>(a)"),
    "nothing but zeros": ("float y", LAYERS + "y = Sub(a, a)"),
}


@pytest.mark.parametrize("kind", INDEPENDENT)
def test_independent_samples_run_together(kind: str) -> None:
    outputs, body = INDEPENDENT[kind]
    found = model(body, outputs=outputs)
    data = opened(found)
    assert fed_rightly(data, found) is data


def test_rounding_is_no_dependence() -> None:
    """Long sums, cut into other blocks for other batches, under a depth that amplifies rounding."""
    rng = np.random.default_rng(1)
    wide = (rng.normal(size=(2000, 2000)) / np.sqrt(1000)).astype(np.float32)
    body = "a0 = MatMul(x, wide) " + " ".join(f"r{i} = Relu(a{i}) a{i + 1} = MatMul(r{i}, wide)" for i in range(6)) + " y = Relu(a6)"
    found = net(body, inputs="float[N, 2000] x", constants={"wide": wide})
    data = open_dataset({"x": rng.normal(size=(2, 2000)).astype(np.float32)}, input_specs(found))
    assert fed_rightly(data, found) is data
    assert fed_rightly(data, found, tolerance=0.0).fixed_batch in (None, 1)  # never a refusal


def test_random_numbers_are_no_dependence() -> None:
    found = model(LAYERS + "n = RandomNormalLike(a) y = Add(a, n)")
    assert fed_rightly(opened(found), found).fixed_batch == 1


@pytest.mark.parametrize("data", [ROWS[:1], np.repeat(ROWS[:1], 4, 0)], ids=["one sample", "copies of one"])
def test_data_that_cannot_tell_is_left_alone(data: AnyArray) -> None:
    found = model(DEPENDENT["mean over the rows"])
    given = opened(found, data)
    assert fed_rightly(given, found) is given


def test_one_at_a_time_from_end_to_end() -> None:
    """Statistics, proof and comparison all feed single samples."""
    constants = {"one": np.array([1, 4, 4]), "w": weights(4, 4), "v": weights(4, 4, seed=1)}
    found = net("a = MatMul(x, w) r = Reshape(a, one) y = MatMul(r, v)", inputs="float[N, 4, 4] x", constants=constants)
    data = {"x": ROWS.reshape(12, 4, 4)}
    made = quantize(found, data, target="npu_int8")
    assert any(note.startswith("samples run one by one") for note in made.report.notes)
    assert made.report.fidelity is not None and made.report.fidelity.samples == 12
    assert calibrate(found, data, target="npu_int8").samples.size == 12
    assert compare(found, made.model, data).samples == 12


def test_dependent_rows_stop_every_command_that_feeds_them() -> None:
    found = model(DEPENDENT["mean over the rows"])
    for run in (lambda: quantize(found, {"x": ROWS}), lambda: calibrate(found, {"x": ROWS}), lambda: compare(found, found, {"x": ROWS})):
        with pytest.raises(BadData, match="axis 0"):
            run()
    assert quantize(found, {"x": ROWS.reshape(3, 4, 16)}).report.fidelity is not None
