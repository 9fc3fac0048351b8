"""Values in stages are the values of one run, and no stage hands out more than it may."""

from __future__ import annotations

import weakref

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration import value_reader
from edgeq.calibration.each_run import Runs
from edgeq.calibration.memory import memory_budget, within_memory
from edgeq.calibration.observe import observe
from edgeq.calibration.value_reader import ValueReader
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.progress import Silent
from tests.graph_text import net, weights

X = np.random.default_rng(0).normal(size=(9, 4, 6, 6)).astype(np.float32)
TEXT = """a = Conv<pads = [1, 1, 1, 1]>(x, w) b = Relu(a) c = Conv<pads = [1, 1, 1, 1]>(b, w) d = Add(c, b)
    e = Conv<pads = [1, 1, 1, 1]>(d, w) f = Mul(e, b) g = Concat<axis = 1>(f, x) s = Shape(b) h = GlobalAveragePool(g)
    n = Cast<to = 1>(s) m = ReduceSum(n) y = Mul(h, m)"""
NAMES = ["x", "a", "b", "c", "d", "e", "f", "g", "h"]


def model(sizes: str = "6, 6") -> ir.Model:
    return net(TEXT, inputs=f"float[N, 4, {sizes}] x", constants={"w": weights(4, 4, 3, 3)})


def found(one: ir.Model, x: F32, names: list[str] | None = None) -> dict[str, AnyArray]:
    return dict(ValueReader(one, NAMES, {"x": x}).each({"x": x}, names))


@pytest.mark.parametrize("sizes", ["6, 6", "H, W"])
@pytest.mark.parametrize("limit", [1, 600, 1500, 3000])
def test_stages_give_the_values_of_one_run(sizes: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = found(model(sizes), X[:1])
    assert set(wanted) == set(NAMES)
    monkeypatch.setattr(value_reader, "STAGE_BYTES", limit)
    got = found(model(sizes), X[:1])
    assert list(got) == NAMES
    for name in NAMES:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-6)


def test_a_stage_hands_out_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_reader, "STAGE_BYTES", 1300)
    stages = ValueReader(model(), NAMES, {"x": X[:1]})._stages
    value = 4 * 4 * 36
    assert [len(stage.wanted) for stage in stages] == [2, 2, 2, 2]
    assert 2 * value <= 1300 < 3 * value
    assert [stage.carried for stage in stages] == [("b",), ("b", "d"), ("b", "f"), ()]


@pytest.mark.parametrize("limit", [1, 1 << 26])
def test_no_session_outlives_the_pass_that_it_was_opened_for(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds the memory of all values of a run for the next one."""
    monkeypatch.setattr(value_reader, "STAGE_BYTES", limit)
    with ValueReader(model(), NAMES, {"x": X[:1]}) as reader:
        assert len(dict(reader.each({"x": X[:1]}, None))) == len(NAMES)
        opened = [weakref.ref(session._session) for session in reader._sessions.values()]
        assert len(opened) == len(reader._stages)
    assert [one() for one in opened] == [None] * len(opened)


def test_stages_end_with_the_last_value_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_reader, "STAGE_BYTES", 1)
    reader = ValueReader(model(), NAMES, {"x": X[:1]})
    assert set(dict(reader.each({"x": X[:1]}, ["b", "x"]))) == {"b", "x"}
    assert len(reader._stages) == 8
    assert len(reader._sessions) == 2


def test_a_body_reads_what_earlier_stages_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """a = Exp(x) b = Tanh(a) y = If (go) < then_branch = t () => (float[2, 3] tv) { p = Add(a, b) tv = Neg(p) },
        else_branch = e () => (float[2, 3] ev) { ev = Identity(b) } >"""
    one = net(text, inputs="float[2, 3] x, bool go", outputs="float[2, 3] y")
    feeds = {"x": np.ones((2, 3), np.float32), "go": np.array(True)}
    wanted = dict(ValueReader(one, ["a", "b", "p", "y"], feeds).each(feeds, None))
    monkeypatch.setattr(value_reader, "STAGE_BYTES", 1)
    staged = ValueReader(one, ["a", "b", "p", "y"], feeds)
    assert len(staged._stages) > 1
    got = dict(staged.each(feeds, None))
    assert sorted(got) == sorted(wanted) == ["a", "b", "p", "y"]
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("limit", [1, 1300, 1 << 26])
def test_the_memory_budget_changes_no_statistics(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_reader, "STAGE_BYTES", limit)
    data = open_dataset({"x": X}, input_specs(model()))
    plenty = observe(model(), NAMES, data)
    with within_memory(1):
        assert memory_budget() == 1
        scarce = observe(model(), NAMES, data)
        with Runs(model(), NAMES, data) as runs:
            assert len(runs.each(lambda run: run.worker, Silent())) == 9
    for name in NAMES:
        assert np.array_equal(plenty[name].counts, scarce[name].counts)
        assert (plenty[name].low, plenty[name].high) == (scarce[name].low, scarce[name].high)


def test_half_of_what_is_free_is_the_default() -> None:
    assert memory_budget() > 1 << 20
    with within_memory(5 << 20):
        assert memory_budget() == 5 << 20
        with within_memory(None):
            assert memory_budget() > 1 << 20
    assert memory_budget() != 5 << 20
