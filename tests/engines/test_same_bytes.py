"""Statistics and plans are the same on every engine, for any shards and order of answers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import edgeq
from edgeq.engines.current import using
from edgeq.engines.kept import KeptShards
from edgeq.engines.local import Local
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Engine, Job, O, P, Q, R, S, T
from edgeq.engines.workers import Workers
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.progress import Progress
from tests.changed import changed
from tests.graph_text import net, weights

X = np.random.default_rng(5).normal(size=(30, 3, 8, 8)).astype(np.float32)
#: convolutions that share a weight, an attention of two values, a recurrent layer
TEXT = """[one] a = Conv<pads = [1, 1, 1, 1]>(x, u, b) r = Relu(a) [two] c = Conv<pads = [1, 1, 1, 1]>(r, v, b)
    [three] d = Conv<pads = [1, 1, 1, 1]>(c, v, b) t = Add(d, r) p = Flatten<axis = 2>(t) s = Softmax(p) m = MatMul(s, w)
    q = Sigmoid(m) f = Flatten(q) [four] y = Gemm(f, g, h)"""


def model() -> ir.Model:
    constants = {
        "u": weights(8, 3, 3, 3), "v": weights(8, 8, 3, 3), "b": weights(8), "w": weights(64, 6), "g": weights(48, 5), "h": weights(5),
    }  # fmt: skip
    return net(
        TEXT.replace("Flatten<axis = 2>(t)", "Reshape(t, z)"),
        inputs="float[N, 3, 8, 8] x",
        constants=constants | {"z": np.array([0, 8, 64])},
    )


def statistics() -> str:
    return edgeq.calibrate(model(), {"x": X}).hash


def plan(recipe: dict[str, object] | None = None) -> str:
    return edgeq.quantize(model(), {"x": X}, prove=False, recipe=recipe).plan.to_json()


def worst(outputs: F32, labels: AnyArray) -> float:
    """A metric of one's own, which no worker could be sent."""
    return float(outputs[np.arange(len(labels)), labels].min())


METRICS = [None, "top1", edgeq.Metric("worst", worst, needs_labels=True), edgeq.Metric("first", lambda one, _: one[0, 0], each_sample=True)]


def comparison(metric: edgeq.Metric | str | None, batch: int = 4) -> object:
    """Of a model with a coarser one, on data with labels."""
    other = model()
    tensor = next(value for value in other.graph.initializers.values() if value.name == "g")
    tensor.const_value = ir.tensor(np.round(tensor.const_value.numpy() * 8) / 8, name="g")  # type: ignore[union-attr]
    return edgeq.compare(model(), other, {"x": X, "labels": np.arange(30) % 5}, metric=metric, batch=batch)


class Reversed(Local):
    """Several shards, of which the last is finished first."""

    workers = 3

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        yield from reversed(list(super().run(job, shards, progress)))


@pytest.fixture(autouse=True)
def all_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short it is, what workers can do is done by workers."""
    for module in ("calibration.pairs.shards", "refine.step_by_step.side_by_side"):
        monkeypatch.setattr(f"edgeq.{module}.WORTH_S", -1.0)


@pytest.fixture(scope="module")
def engine() -> Iterator[Workers]:
    found = Workers(Processes(2))
    yield found
    found.close()


@pytest.mark.parametrize("size", [1, 4, 7, 29])
def test_statistics_are_the_same_for_any_shards_that_end_in_any_order(size: int) -> None:
    wanted = statistics()
    with using(Reversed(shard=size)):
        assert statistics() == wanted


def test_the_plan_is_the_same_for_shards_that_end_in_any_order() -> None:
    wanted = plan()
    for engine in (Reversed(shard=5), Reversed(), Local(1, shard=11)):
        with using(engine):
            assert plan() == wanted


@pytest.mark.parametrize("recipe", [{"codebook": {"bits": 3}}, {"rounding": "in_sequence"}], ids=["codebook", "in sequence"])
def test_weights_are_the_same_however_they_are_rounded(recipe: dict[str, object], engine: Engine) -> None:
    wanted = plan(recipe)
    for other in (Reversed(1, shard=7), engine):
        with using(other):
            assert plan(recipe) == wanted


def test_codebooks_of_floats_are_fitted_by_workers(engine: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    def tables() -> bytes:
        found = edgeq.palettize(model(), {"x": X}, recipe={"codebook": {"bits": 3}})
        return bytes(ir.to_proto(found.model).SerializeToString(deterministic=True))

    wanted = tables()
    with using(Reversed(1)):
        assert tables() == wanted
    monkeypatch.setattr("edgeq.few_bits.fitting._fit", None)  # here, and not in workers
    with using(engine):
        assert tables() == wanted


@pytest.mark.parametrize("recipe", [None, {"rounding": "in_sequence"}], ids=["bias correction", "in sequence"])
def test_steps_are_divided_by_samples_whoever_remembers(recipe: dict[str, object] | None, tmp_path: Path) -> None:
    """Workers go on where their samples are; one that takes the place of another begins again."""
    wanted, pool = plan(recipe), Processes(2)
    engine, asked = Workers(pool, kept=KeptShards(tmp_path)), list[tuple[object, tuple[range, ...], tuple[int, ...]]]()

    def run(job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        if job.remembers:
            asked.append((job, *zip(*[(one.places, one.start) for one in shards], strict=True)))  # type: ignore[attr-defined]
            if len(asked) == 7:
                os.kill(pool.pids()[0], signal.SIGKILL)
        yield from Workers.run(engine, job, shards, progress)

    engine.run = run  # type: ignore[method-assign, assignment]
    with using(engine):
        assert plan(recipe) == wanted
    engine.close()
    jobs = len({id(job) for job, _, _ in asked})
    assert asked[0][1] == (range(12), range(12, 24))
    assert 1 <= sum(starts[0] == 0 for _, _, starts in asked) - jobs <= 3  # of many
    assert len(asked) >= 8 * jobs


class Owning(Local):
    """Keeps the owners of sums, and finishes the last one first."""

    workers = 3

    def __init__(self) -> None:
        super().__init__(1)
        self.owners: list[object] = []

    def reduce(
        self, job: Job[T, S, Sequence[P]], shards: Sequence[S], finish: Job[R, tuple[O, P], Q], owners: Sequence[O], progress: Progress
    ) -> Iterator[tuple[int, Q]]:
        self.owners += owners
        yield from reversed(list(super().reduce(job, shards, finish, owners, progress)))


def test_weights_are_rounded_by_their_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments do not come to the process of the user."""
    wanted, engine = plan(), Owning()
    monkeypatch.setattr("edgeq.refine.round_owned.moments_of", None)
    with using(engine):
        assert plan() == wanted
    assert ("two", "three") in engine.owners  # they share a weight
    assert {("one",), ("four",)} <= set(engine.owners)


def test_processes_give_the_same_statistics_and_plan(engine: Engine) -> None:
    wanted = statistics(), plan()
    with using(engine):
        assert (statistics(), plan()) == wanted


@pytest.mark.parametrize("metric", METRICS)
def test_the_comparison_is_the_same_for_any_shards(metric: edgeq.Metric | str | None, engine: Engine) -> None:
    wanted = comparison(metric)
    for other in (Reversed(1), Reversed(1, shard=3), engine):
        with using(other):
            assert comparison(metric) == wanted


def test_shapes_that_depend_on_numbers_are_compared_one_by_one(engine: Engine) -> None:
    """Some batches have as many rows in both models, and others do not."""
    text = "m = Greater(x, t) k = NonZero(m) i = Transpose(k) y = GatherND(x, i)"
    models = [net(text, inputs="float[N, 4] x", outputs="float[M] y", constants={"t": t}) for t in (0.0, 0.02)]
    found = []
    for one in (Local(), Reversed(1, shard=8), engine):
        with using(one):
            found.append(edgeq.compare(models[0], models[1], {"x": X[:, 0, 0, :4]}, batch=4))
    assert found[0] == found[1] == found[2]
    assert found[0].samples == 30


def test_a_process_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    """Nor does the end of the run in the middle: the next one goes on."""
    wanted, pool = statistics(), Processes(2)
    killed = threading.Thread(target=_kill_one, args=(pool,))
    engine = Workers(pool, shard=2, kept=KeptShards(tmp_path))
    killed.start()
    with using(engine):
        assert statistics() == wanted
        killed.join()
        shards = sorted(tmp_path.iterdir())
        assert len(shards) == 12  # 24 of 30 samples are fitted to
        shards[3].unlink()
        assert statistics() == wanted
    engine.close()


def _kill_one(pool: Processes) -> None:
    while not pool.pids():
        pass
    os.kill(pool.pids()[0], signal.SIGKILL)


def test_the_engine_is_no_part_of_a_plan() -> None:
    local, other = edgeq.Recipe(), changed(edgeq.Recipe(), engine={"name": "processes", "workers": 3})
    assert other.hash == local.hash
    assert changed(local, rule="minmax").hash != local.hash
