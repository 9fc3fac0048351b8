"""observe: the same statistics however the samples are shared out; what NaN, bodies and fixed
batches do to them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import merged, observe, observe_in_turns
from edgeq.calibration.tensor_stats import TensorStats
from edgeq.data.open import Dataset, open_dataset
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import AnyArray
from tests.graph_text import net, weights

BODY = "c = Conv<pads = [1, 1]>(x, w)  r = Relu(c)  y = GlobalAveragePool(r)"
NAMES = ("x", "c", "r", "y")
X = np.random.default_rng(3).normal(size=(23, 4, 9)).astype(np.float32)


def model_of(batch: str = "N") -> ir.Model:
    return net(BODY, inputs=f"float[{batch}, 4, 9] x", constants={"w": weights(4, 4, 3)})


def data_for(model: ir.Model, **arrays: AnyArray) -> Dataset:
    return open_dataset(arrays or {"x": X}, input_specs(model))


def test_counts_and_ranges_are_those_of_the_values() -> None:
    model = model_of()
    found = observe(model, NAMES, data_for(model))
    assert (found["x"].low, found["x"].high, found["x"].count) == (X.min(), X.max(), X.size)
    assert found["x"].sample_low.tolist() == X.min((1, 2)).tolist()
    assert found["c"].count == found["r"].count == X.size
    assert found["r"].low == 0.0
    assert found["r"].high == max(found["c"].high, 0.0)
    assert found["y"].count == 23 * 4


@pytest.mark.parametrize("cuts", [(0, 23), (0, 5, 23), (0, 1, 2, 22, 23)])
def test_shards_merge_to_the_bits_of_one_pass(cuts: tuple[int, ...]) -> None:
    model = model_of()
    data = data_for(model)
    whole = observe(model, NAMES, data)
    shards = [observe(model, NAMES, data, start=start, stop=stop) for start, stop in pairwise(cuts)]
    for name in NAMES:
        merged = TensorStats()
        for shard in reversed(shards):
            merged = merged.merge(shard[name])
        assert merged == whole[name]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    model = model_of()
    wanted = observe(model, NAMES, data_for(model))
    with using(Local(workers)):
        assert observe(model, NAMES, data_for(model)) == wanted


def test_a_fixed_batch_keeps_its_samples_apart() -> None:
    """Two samples at once: the same values, sample by sample, as one at a time."""
    single, pair = model_of(), model_of("2")
    data = data_for(pair)
    assert (data.count, data.fixed_batch) == (22, 2)
    found, wanted = observe(pair, NAMES, data), observe(single, NAMES, data_for(single, x=X[:22]))
    assert found["x"] == wanted["x"]
    assert found["r"].samples.tolist() == list(range(22))
    np.testing.assert_allclose(found["r"].sample_high, wanted["r"].sample_high, rtol=1e-6)


def test_every_row_counts_where_the_first_axis_holds_more_than_the_batch() -> None:
    """Heads beside samples: [2, 4, 9] seen as [8, 9]."""
    model = net("h = Reshape(x, s)  y = Relu(h)", inputs="float[2, 4, 9] x", constants={"s": np.array([8, 9])})
    found = observe(model, ("h", "y"), data_for(model))
    assert (found["h"].count, found["h"].low, found["h"].high) == (22 * 4 * 9, X[:22].min(), X[:22].max())
    assert found["h"].samples.tolist() == list(range(0, 22, 2))


def test_nan_and_infinities_are_counted_not_kept() -> None:
    model = net("y = Log(x)", inputs="float[N, 3] x")
    found = observe(model, ("y",), data_for(model, x=np.array([[1, 2, 0], [-1, 3, 4]], np.float32)))["y"]
    assert (found.nonfinite, found.count) == (2, 4)
    assert (found.low, found.high) == (0.0, float(np.log(np.float32(4))))


def test_branches_count_only_samples_that_take_them() -> None:
    text = """y = If (go) < then_branch = t () => (float[3] tv) { a = Exp(x)  tv = Neg(a) },
        else_branch = e () => (float[3] ev) { b = Relu(x)  ev = Neg(b) } >"""
    model = net(text, inputs="float[3] x, bool go", outputs="float[3] y")
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = observe(model, ("a", "b", "x"), data_for(model, x=x, go=np.array([True, False, False, True])))
    assert found["a"].samples.tolist() == [0, 3]
    assert (found["b"].samples.tolist(), found["b"].high) == ([1, 2], 8.0)
    assert found["x"].count == 12


def test_a_value_that_cannot_be_handed_out_counts_as_never_seen() -> None:
    text = """y = Loop (n, , x) <body = b (int64 i, bool c, float[G] p) => (bool c2, float[H] q) {
        c2 = Identity(c)  q = Concat<axis = 0>(p, p) }>"""
    model = net(text, inputs="float[K] x", outputs="float[M] y", constants={"n": np.int64(3)})
    found = observe(model, ("q", "y"), data_for(model, x=np.ones((2, 3), np.float32)))
    assert found["q"] == TensorStats()
    assert found["y"].count == 2 * 24


def test_runs_that_take_turns_are_observed_apart() -> None:
    """Each turn as if its samples were all there are, and both together as the whole."""
    x = np.random.default_rng(4).normal(size=(5, 3)).astype(np.float32)
    model = net("y = Relu(x)", inputs="float[N, 3] x")
    data = open_dataset({"x": x}, input_specs(model))
    turns = observe_in_turns(model, ["x", "y"], data, 2)
    for start, turn in enumerate(turns):
        alone = observe(model, ["x", "y"], open_dataset({"x": x[start::2]}, input_specs(model)))
        assert all(turn[name].samples.tolist() == list(range(start, 5, 2)) for name in alone)
        assert all(np.array_equal(turn[name].counts, alone[name].counts) for name in alone)
        assert all((turn[name].low, turn[name].high) == (alone[name].low, alone[name].high) for name in alone)
    assert merged(*turns) == observe(model, ["x", "y"], data)
