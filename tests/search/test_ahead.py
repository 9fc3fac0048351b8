"""Candidates that workers measure: search, journal and plan are those of one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Engine, Job, R, S, T
from edgeq.engines.workers import Workers
from edgeq.metrics.metric import Metric
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.progress import Progress
from edgeq.search.ahead import _open
from tests.graph_text import net, weights

X = np.random.default_rng(3).normal(size=(30, 3, 8, 8)).astype(np.float32)
TEXT = """[one] a = Conv<pads = [1, 1, 1, 1]>(x, u, b) r = Relu(a) [two] c = Conv<pads = [1, 1, 1, 1]>(r, v, b)
    [three] d = Conv<pads = [1, 1, 1, 1]>(c, w, b) t = Add(d, r) f = Flatten(t) [four] y = Gemm(f, g, h)"""


def net_of_layers() -> bytes:
    kernels = {"u": weights(8, 3, 3, 3), "v": weights(8, 8, 3, 3), "w": 3 * weights(8, 8, 3, 3)}
    model = net(TEXT, inputs="float[N, 3, 8, 8] x", constants=kernels | {"b": weights(8), "g": weights(512, 5), "h": weights(5)})
    return ir.to_proto(model).SerializeToString()


def searched(work: Path, engine: Engine, metric: Metric | str | None = None, **recipe: object) -> tuple[str, str]:
    """The plan of a search, and its journal."""
    wanted = {"effort": "best", "minutes": 60.0} | recipe
    with using(engine):
        made = edgeq.quantize(net_of_layers(), {"x": X, "labels": np.arange(30) % 5}, recipe=wanted, work=work, metric=metric)
    return made.plan.to_json(), (work / "search.jsonl").read_text()


class Counted(Local):
    """Several shards, the last first; counts candidates."""

    workers = 3

    def __init__(self) -> None:
        super().__init__(1)
        self.candidates = 0

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        self.candidates += len(shards) if job.open is _open else 0
        yield from reversed(list(super().run(job, shards, progress)))


@pytest.fixture(scope="module")
def processes() -> Iterator[Workers]:
    found = Workers(Processes(2))
    yield found
    found.close()


@pytest.mark.parametrize(
    "recipe",
    [
        {"floors": {"min_sqnr": 43.0}},
        {"floors": {"min_agreement": 1.0, "min_sqnr": 300.0}, "objective": "size"},
    ],
    ids=["repaired", "out of reach"],
)
def test_workers_change_neither_plan_nor_journal(recipe: dict[str, object], processes: Workers, tmp_path: Path) -> None:
    wanted, counted = searched(tmp_path / "one", Local(1), **recipe), Counted()
    assert searched(tmp_path / "three", counted, **recipe) == wanted
    assert counted.candidates > 1
    assert searched(tmp_path / "two", processes, **recipe) == wanted


def worst(outputs: F32, labels: AnyArray) -> float:
    """A metric of one's own."""
    return float(outputs[np.arange(len(labels)), labels].min())


def test_candidates_are_ranked_by_workers_and_judged_by_a_metric_of_ones_own_here(processes: Workers, tmp_path: Path) -> None:
    metric, floors = Metric("worst", worst, needs_labels=True), {"min_sqnr": 43.0}
    wanted, counted = searched(tmp_path / "one", Local(1), metric, floors=floors), Counted()
    assert searched(tmp_path / "three", counted, metric, floors=floors) == wanted
    assert counted.candidates > 1
    assert searched(tmp_path / "two", processes, metric, floors=floors) == wanted


def test_a_search_whose_time_is_over_sends_nothing(tmp_path: Path) -> None:
    counted = Counted()
    searched(tmp_path, counted, floors={"min_sqnr": 300.0}, minutes=1e-9)
    assert counted.candidates == 0
