"""each_run: every run once, its values by name, results in the order of the data, whatever the
number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import sleep
from typing import TypeVar

import numpy as np
import onnx_ir as ir
import pytest

import edgeq.calibration.value_reader
from edgeq.calibration.each_run import Run, Runs
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.graph.signature import input_specs
from edgeq.progress import Progress, Silent
from tests.graph_text import net

X = np.arange(46, dtype=np.float32).reshape(23, 2)
MODEL = net("r = Neg(x)  y = Exp(r)", inputs="float[N, 2] x")
DATA = open_dataset({"x": X}, input_specs(MODEL))


T = TypeVar("T")


def each_run(
    model: ir.Model,
    names: Iterable[str],
    data: Dataset,
    take: Callable[[Run], T],
    progress: Progress,
    start: int = 0,
    stop: int | None = None,
) -> list[T]:
    with Runs(model, names, data) as runs:
        return runs.each(take, progress, start, stop)


class Steps(Silent):
    def __init__(self) -> None:
        self.done = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_the_order_of_the_data(workers: int) -> None:
    def take(run: Run) -> tuple[int, float]:
        sleep(0.002 * (run.number % 3 == 0))  # later runs overtake it
        return run.samples.start, float(run.values()["r"][0, 1])

    progress = Steps()
    with using(Local(workers)):
        found = each_run(MODEL, ["r"], DATA, take, progress)
    assert found == [(row, -float(X[row, 1])) for row in range(23)]
    assert progress.done == 23


def test_inputs_are_values_too_and_unknown_names_are_missing() -> None:
    found = each_run(MODEL, ["x", "r", "nothing"], DATA, lambda run: run.values(), Silent(), 3, 5)
    assert [set(values) for values in found] == [{"x", "r"}] * 2
    np.testing.assert_array_equal(found[1]["x"], X[4:5])


def test_only_the_values_asked_for_are_handed_out() -> None:
    (found,) = each_run(MODEL, ["x", "r", "y"], DATA, lambda run: run.values({"y", "x"}), Silent(), 0, 1)
    assert set(found) == {"x", "y"}


def test_values_without_elements_are_left_out() -> None:
    text = """y = If (go) < then_branch = t () => (float[3] tv) { a = Exp(x)  tv = Neg(a) },
        else_branch = e () => (float[3] ev) { b = Relu(x)  ev = Neg(b) } >"""
    model = net(text, inputs="float[3] x, bool go", outputs="float[3] y")
    data = open_dataset({"x": np.ones((2, 3), np.float32), "go": np.array([True, False])}, input_specs(model))
    assert each_run(model, ["a", "b"], data, lambda run: set(run.values()), Silent()) == [{"a"}, {"b"}]


def test_a_fixed_batch_is_one_run() -> None:
    model = net("r = Neg(x)  y = Exp(r)", inputs="float[4, 2] x")
    data = open_dataset({"x": X}, input_specs(model))
    found = each_run(model, ["r"], data, lambda run: (run.number, list(run.samples), run.values()["r"].shape), Silent(), 4, 12)
    assert found == [(1, [4, 5, 6, 7], (4, 2)), (2, [8, 9, 10, 11], (4, 2))]
    assert data.runs == 5


def test_no_session_is_opened_where_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(edgeq.calibration.value_reader, "open_session", refuse)
    assert each_run(MODEL, ["r"], DATA, lambda run: run.number, Silent()) == list(range(23))
    assert len(each_run(MODEL, ["x"], DATA, lambda run: run.values(), Silent())) == 23


def test_a_worker_is_one_thread() -> None:
    """Its own sums need no lock: their total is what all runs hold."""
    sums: dict[int, float] = {}

    def take(run: Run) -> None:
        before = sums.get(run.worker, 0.0)
        sleep(0.001)
        sums[run.worker] = before + float(run.values()["r"].sum())

    with using(Local(3)):
        each_run(MODEL, ["r"], DATA, take, Silent())
    assert sum(sums.values()) == -float(X.sum())
    assert len(sums) <= 3
